/// The real `nft` inside a namespace: a referee that knows nothing of Fairlead.
public struct NFT: Sendable {
    private let namespace: NetworkNamespace

    /// The `nft` of the namespace.
    public init(_ namespace: NetworkNamespace) { self.namespace = namespace }

    /// Loads a ruleset as `nft -f -` does: all or nothing.
    public func load(_ text: String) async throws(TestKitError) {
        try await namespace.execute(Program("nft", ["-f", "-"], input: text)).requireSuccess()
    }

    /// What `nft list ruleset` prints.
    public func listRuleset() async throws(TestKitError) -> String {
        try await namespace.execute(Program("nft", ["list", "ruleset"])).requireSuccess().standardOutput
    }

    /// What `nft list` prints with these arguments.
    public func list(_ arguments: [String]) async throws(TestKitError) -> String {
        try await namespace.execute(Program("nft", ["list"] + arguments)).requireSuccess().standardOutput
    }

    /// What `nft list tables` prints, sorted.
    public func listTables() async throws(TestKitError) -> [String] {
        let output = try await namespace.execute(Program("nft", ["list", "tables"])).requireSuccess().standardOutput
        return output.split(separator: "\n").map(String.init).sorted()
    }
}
