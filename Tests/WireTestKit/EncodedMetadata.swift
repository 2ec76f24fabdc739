import KubernetesModel

/// `metadata` of an encoded object, as far as the model does not tell it.
public struct EncodedMetadata: Hashable, Sendable {
    /// `resourceVersion`.
    public var resourceVersion: String
    /// `uid`.
    public var uid = ""
    /// `labels`, besides those that the model has a field for.
    public var labels: [String: String] = [:]
    /// `annotations`, besides those that the model has a field for.
    public var annotations: [String: String] = [:]
    /// Whether there is an entry of `managedFields` with some hundred bytes that mean nothing to the decoder.
    public var hasManagedFields = false

    /// Makes the metadata.
    public init(resourceVersion: String = "1") { self.resourceVersion = resourceVersion }

    /// The encoded `ObjectMeta`. What Go holds by value is encoded even if it is empty, as the API server does it.
    func message(
        _ key: ObjectKey, created: String = "", isBeingDeleted: Bool = false, labels own: [String: String] = [:],
        annotations ownAnnotations: [String: String] = [:]
    ) -> ProtobufMessage {
        ProtobufMessage {
            $0.text(1, key.name)
            $0.text(2, "")
            $0.text(3, key.namespace)
            $0.text(4, "")
            $0.text(5, uid)
            $0.text(6, resourceVersion)
            $0.integer(7, 0)
            $0.time(8, Self.seconds(created))
            if isBeingDeleted { $0.time(9, 1_700_000_000) }
            $0.map(11, labels.merging(own) { $1 })
            $0.map(12, annotations.merging(ownAnnotations) { $1 })
            if hasManagedFields { $0.message(17, Self.managedFields) }
        }
    }

    private static let managedFields = ProtobufMessage {
        $0.text(1, "kube-controller-manager")
        $0.text(2, "Update")
        $0.text(3, "v1")
        $0.time(4, 1_700_000_000)
        $0.text(6, "FieldsV1")
        $0.message(7) {
            let owned = (0..<20).map { #""f:field\#($0)":{}"# }.joined(separator: ",")
            $0.text(1, "{\"f:metadata\":{\"f:labels\":{\".\":{},\(owned)}}}")
        }
    }

    /// The seconds since 1970 of `2024-01-31T12:34:56Z`; nil for anything else.
    public static func seconds(_ text: String) -> Int? {
        guard text.utf8.count == 20, text.hasSuffix("Z") else { return nil }
        let numbers = text.dropLast().split(whereSeparator: { "-T:".contains($0) }).compactMap { Int($0) }
        guard numbers.count == 6 else { return nil }
        var days = 0
        for year in stride(from: 1970, to: numbers[0], by: 1) { days += isLeap(year) ? 366 : 365 }
        for year in stride(from: 1969, through: numbers[0], by: -1) { days -= isLeap(year) ? 366 : 365 }
        let lengths = [31, isLeap(numbers[0]) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        days += lengths.prefix(numbers[1] - 1).reduce(0, +) + numbers[2] - 1
        return ((days * 24 + numbers[3]) * 60 + numbers[4]) * 60 + numbers[5]
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
}
