import KubernetesModel
import Netfilter

/// What the comment of a frontend's element says: whose it is, for people who list the tables.
///
/// It goes into the kernel and out of it with its element, so it is true of what the kernel has, also after the objects have changed
/// or while they are invalid. This is the only place that knows its form.
package struct FrontendComment: Hashable, Sendable {
    /// The Service.
    package let service: ObjectKey
    /// The name of its port; empty if it has none. Read from the kernel it may lack its end: a comment is cut to what `nft` takes,
    /// which is enough for any Service's namespace and name.
    package let port: String

    /// - Parameters:
    ///   - service: whose the frontend is.
    ///   - port: the name of its port; empty if it has none.
    package init(_ service: ObjectKey, port: String) {
        self.service = service
        self.port = port
    }

    /// Reads a comment; nil if it is none of a frontend.
    package init?(_ text: String) {
        guard let slash = text.firstIndex(of: "/") else { return nil }
        let rest = text[text.index(after: slash)...]
        let colon = rest.firstIndex(of: ":")
        service = ObjectKey(namespace: String(text[..<slash]), name: String(rest[..<(colon ?? rest.endIndex)]))
        port = colon.map { String(rest[rest.index(after: $0)...]) } ?? ""
    }

    /// `namespace/name:port`, cut to what `nft` can show.
    package var text: String {
        let text = port.isEmpty ? service.description : "\(service):\(port)"
        return text.utf8.count < Element.commentCapacity
            ? text : String(decoding: text.utf8.prefix(Element.commentCapacity - 1), as: UTF8.self)
    }

    /// The Service in a comment, as its key describes itself.
    static func service(in text: String) -> String { String(text.prefix { $0 != ":" }) }
}
