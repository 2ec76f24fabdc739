/// The taints by which an operator takes a node out of load balancers before its pods go (`--drain-taints`).
///
/// A taint counts by its key, whatever its value and effect. Cordon (`node.kubernetes.io/unschedulable`) is none: it keeps new pods
/// away and says nothing of traffic, so that load balancers keep cordoned nodes (KEP-3458).
public struct DrainTaints: Hashable, Sendable {
    /// The keys, each once, in the order in which they were given.
    public let keys: [String]

    /// The taint that `kubectl cordon` leads to.
    public static let cordon = "node.kubernetes.io/unschedulable"

    /// No taint.
    public init() { keys = [] }

    /// Reads keys of taints.
    ///
    /// - Parameter texts: keys, or several of them with commas between.
    public init(_ texts: [String]) throws(DrainTaintProblem) {
        var keys: [String] = []
        for key in texts.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }).map(String.init) {
            let key = key.trimmingBlanks
            if key == Self.cordon { throw .cordon }
            guard Self.isKey(key) else { throw .notAKey(key) }
            if !keys.contains(key) { keys.append(key) }
        }
        self.keys = keys
    }

    /// The first of the node's taints that is one of these.
    public func first(of node: Node) -> String? { keys.isEmpty ? nil : node.taints.first(where: keys.contains) }

    /// Whether the text is a qualified name, as the API wants keys of taints: a name of at most 63 characters, with or without
    /// a DNS name and a slash before it.
    private static func isKey(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, parts.count <= 2, (1...63).contains(name.utf8.count) else { return false }
        if parts.count == 2, !NameRule.subdomain.accepts(String(parts[0])) { return false }
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
        guard let first = name.utf8.first, let last = name.utf8.last, isAlphanumeric(first), isAlphanumeric(last) else {
            return false
        }
        return name.utf8.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
    }
}

/// Why a text names no taints.
public enum DrainTaintProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// It can be no key of a taint.
    case notAKey(String)
    /// It is the taint of cordon.
    case cordon

    /// What is wrong, in words.
    public var description: String {
        switch self {
        case .notAKey(let text): "\(text.quoted) can be no key of a taint"
        case .cordon:
            "\(DrainTaints.cordon) is cordon, which says nothing of traffic: choose a taint of your own"
        }
    }
}
