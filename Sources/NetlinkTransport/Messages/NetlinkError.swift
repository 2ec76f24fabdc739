import Netfilter
import SystemSupport

/// Why the kernel, or the way to it, refused.
public enum NetlinkError: DataplaneKernelError, Hashable {
    /// A system call failed.
    case system(operation: String, errno: Int32)
    /// The kernel refused a part of a request. `object` names it: `set services-4, element 10.96.0.1 . tcp . 80`.
    case refused(object: String, errno: Int32, detail: String?)
    /// The kernel refused elements, and nothing else of the transaction as far as it looked; nothing was applied.
    case refusedElements([RefusedElement], errno: Int32)
    /// Another process owns the table (`table ip fairlead`): nobody else may change it as long as that process lives.
    case owned(table: String, by: Committer)
    /// Somebody else changed the ruleset since the generation that the transaction was made for; nothing was applied.
    case staleGeneration
    /// A dump was interrupted by changes again and again.
    case interrupted(operation: String)
    /// The transaction needs a larger message than the socket takes (bytes); nothing was applied.
    case tooLarge(bytes: Int, limit: Int)
    /// There was no memory for a part of a request, which `object` names with the table, chain or set that it belongs to; nothing was
    /// sent.
    case noMemory(object: String)
    /// A reply does not have the form that the kernel documents.
    case malformedReply(operation: String)

    /// Whether another look and another try will do.
    public var isStaleGeneration: Bool { self == .staleGeneration }

    /// Whether another process owns the table: it will have to end first.
    public var isOwned: Bool { if case .owned = self { true } else { false } }

    /// The elements that are to blame.
    public var refusedElements: [RefusedElement] {
        if case .refusedElements(let elements, _) = self { elements } else { [] }
    }

    /// The errno, where the error has one.
    public var code: Int32? {
        switch self {
        case .system(_, let code), .refused(_, let code, _), .refusedElements(_, let code): code
        case .noMemory: ErrorNumber.noMemory
        default: nil
        }
    }
}

extension NetlinkError: CustomStringConvertible {
    /// One line: what failed, on which object, why.
    public var description: String {
        switch self {
        case .system(let operation, let code): "\(operation): \(SystemError.text(code))\(Self.hint(code))"
        case .refused(let object, let code, let detail):
            "\(object): \(SystemError.text(code))" + (detail.map { " (\($0))" } ?? "") + Self.hint(code)
        case .refusedElements(let elements, let code):
            (elements.first?.reason ?? SystemError.text(code))
                + (elements.count > 1 ? " (and \(elements.count - 1) more elements)" : "")
        case .owned(let table, let owner):
            "\(table): another process owns the table: \(owner); nobody else can change it until that one ends"
        case .staleGeneration: "the ruleset was changed by another program at the same time"
        case .interrupted(let operation): "\(operation): interrupted by other changes again and again"
        case .tooLarge(let bytes, let limit): "a transaction of \(bytes) bytes is over the socket's limit of \(limit)"
        case .noMemory(let object): "\(object): \(SystemError.text(ErrorNumber.noMemory)); nothing was sent"
        case .malformedReply(let operation): "\(operation): the kernel's reply was not understood"
        }
    }

    private static func hint(_ code: Int32) -> String {
        code == ErrorNumber.notPermitted ? "; CAP_NET_ADMIN in the network namespace is needed (run as root)" : ""
    }
}
