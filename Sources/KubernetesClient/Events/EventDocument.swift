import CLinux
import FoundationEssentials

/// An Event of `events.k8s.io/v1` as JSON.
struct EventDocument: Encodable {
    struct Metadata: Encodable {
        var name: String
        var namespace: String
    }

    struct Reference: Encodable {
        var apiVersion: String
        var kind: String
        var namespace: String?
        var name: String
        var uid: String?
    }

    struct Series: Encodable {
        var count: Int
        var lastObservedTime: String
    }

    /// What a patch changes.
    struct Patch: Encodable { var series: Series }

    var apiVersion = "events.k8s.io/v1"
    var kind = "Event"
    var metadata: Metadata
    var eventTime: String
    var series: Series?
    var reportingController: String
    var reportingInstance: String
    var action: String
    var reason: String
    var regarding: Reference
    var note: String
    var type: String

    /// The API's limits, in bytes.
    private static let noteLimit = 1024
    private static let instanceLimit = 128

    init(_ entry: EventLedger.Entry, controller: String, instance: String) {
        let event = entry.event
        metadata = Metadata(name: Self.name(entry), namespace: Self.namespace(event))
        eventTime = Self.time(entry.first)
        series = entry.count > 1 ? Self.series(entry) : nil
        reportingController = controller
        reportingInstance = Self.shortened(instance, Self.instanceLimit)
        action = event.action
        reason = event.reason
        regarding = Reference(
            apiVersion: event.subject.apiVersion, kind: event.subject.kind,
            namespace: event.subject.namespace.isEmpty ? nil : event.subject.namespace, name: event.subject.name,
            uid: event.subject.uid.isEmpty ? nil : event.subject.uid)
        note = Self.shortened(event.note, Self.noteLimit)
        type = event.severity.rawValue
    }

    /// `metadata.name`: the object's name and the time, as all Events have it.
    static func name(_ entry: EventLedger.Entry) -> String {
        "\(entry.event.subject.name).\(String(entry.first * 1000, radix: 16))"
    }

    /// Events about cluster-scoped objects are in the namespace `default`.
    static func namespace(_ event: ClusterEvent) -> String {
        event.subject.namespace.isEmpty ? "default" : event.subject.namespace
    }

    /// Count and time of a series.
    static func series(_ entry: EventLedger.Entry) -> Series {
        Series(count: entry.count, lastObservedTime: time(entry.last))
    }

    /// A `MicroTime`.
    static func time(_ microseconds: Int64) -> String {
        var buffer = [CChar](repeating: 0, count: 20)
        fl_format_time(microseconds / 1_000_000, &buffer)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let fraction = String(microseconds % 1_000_000)
        return "\(text).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)Z"
    }

    private static func shortened(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var result = ""
        for character in text {
            if result.utf8.count + String(character).utf8.count > limit - 3 { break }
            result.append(character)
        }
        return result + "…"
    }
}
