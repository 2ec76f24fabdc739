/// What is said of options in several places: in the text of a key, in the help of a flag, in warnings and in documents.
///
/// Each statement stands here once. Tests look for it, word for word, in the documents and in the help.
public enum OptionStatement {
    /// `nodePortAddresses` with ranges of one family only.
    public static let familyWithoutRange =
        "a family without a range has node ports on all addresses of the node, as with kube-proxy"

    /// `nodePortAddresses: [primary]` on a node that has no address of a family.
    public static let familyWithoutPrimary =
        "a family without a primary address, or with a loopback one, has node ports on all addresses of the node, as with "
        + "kube-proxy 1.36"

    /// All of them.
    public static let all = [familyWithoutRange, familyWithoutPrimary]

    /// The statement as a sentence of its own.
    public static func sentence(_ statement: String) -> String {
        statement.prefix(1).uppercased() + statement.dropFirst() + "."
    }
}
