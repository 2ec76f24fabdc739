import NetworkTypes

/// The real `nft` inside a namespace: a referee that knows nothing of Fairlead.
public struct NFT: Sendable {
    private let namespace: NetworkNamespace
    private let program: String

    /// The `nft` of the namespace.
    ///
    /// - Parameter build: which version.
    public init(_ namespace: NetworkNamespace, build: Neighbour = Neighbour("nft")) {
        (self.namespace, program) = (namespace, build.path())
    }

    /// Loads a ruleset as `nft -f -` does: all or nothing.
    public func load(_ text: String) async throws(TestKitError) {
        try await namespace.execute(Program(program, ["-f", "-"], input: text)).requireSuccess()
    }

    /// What `nft list ruleset` prints.
    public func listRuleset() async throws(TestKitError) -> String {
        try await namespace.execute(Program(program, ["list", "ruleset"])).requireSuccess().standardOutput
    }

    /// What `nft list table` prints; empty if there is none.
    public func listTable(_ table: String) async throws(TestKitError) -> String {
        try await namespace.execute(Program(program, ["list", "table"] + table.split(separator: " ").map(String.init)))
            .standardOutput
    }

    /// What `nft list` prints with these arguments.
    public func list(_ arguments: [String]) async throws(TestKitError) -> String {
        try await namespace.execute(Program(program, ["list"] + arguments)).requireSuccess().standardOutput
    }

    /// What `nft list tables` prints, sorted.
    public func listTables() async throws(TestKitError) -> [String] {
        let output = try await namespace.execute(Program(program, ["list", "tables"])).requireSuccess().standardOutput
        return output.split(separator: "\n").map(String.init).sorted()
    }

    /// The lines of a listing in order, but for elements, which a hash set lists in any order: one line each, sorted.
    public static func lines(of listing: String) -> [String] {
        var result: [String] = []
        var elements: [String]?
        for line in listing.split(separator: "\n") {
            var line = line.drop { $0 == " " || $0 == "\t" }
            if line.hasPrefix("elements = { ") {
                elements = []
                line = line.dropFirst("elements = { ".count)
            }
            guard var collected = elements else {
                result.append(String(line))
                continue
            }
            let isLast = line.hasSuffix(" }")
            if isLast { line = line.dropLast(2) }
            collected += line.split(separator: ",").map { String($0.drop { $0 == " " }) }
            elements = isLast ? nil : collected
            if isLast { result += collected.sorted() }
        }
        return result
    }

    /// The elements of a set or map, as `nft` prints them.
    public func elements(of set: String, _ family: IPFamily, table: String = "fairlead") async throws(TestKitError)
        -> [String]
    {
        let arguments = ["list", "set", family == .ipv4 ? "ip" : "ip6", table, set]
        let text = try await namespace.execute(Program(program, arguments)).requireSuccess().standardOutput
        guard let start = text.firstRange(of: "elements = {")?.upperBound else { return [] }
        let list = text[start...].prefix { $0 != "}" }
        return list.split(whereSeparator: { ", \t\n".contains($0) }).map(String.init).sorted()
    }
}

/// `nft monitor` inside a namespace: what anybody commits, from the start on.
public final class RulesetMonitor: Sendable {
    private let namespace: NetworkNamespace
    private let build: Neighbour
    private let monitor: Daemon

    /// Starts to listen.
    ///
    /// - Parameter build: which version of `nft`.
    public init(_ namespace: NetworkNamespace, build: Neighbour = Neighbour("nft")) async throws(TestKitError) {
        (self.namespace, self.build) = (namespace, build)
        monitor = try await Daemon(Program(build.path(), ["monitor"], timeLimit: .seconds(300)), in: namespace)
        try await fence()
    }

    /// The changes that were committed since the start, by line.
    public func changes() async throws(TestKitError) -> [String] {
        try await fence()
        return monitor.output.split(separator: "\n").map(String.init).filter {
            !$0.hasPrefix("#") && !$0.contains(Self.marker)
        }
    }

    private static let marker = "monitor-fence"

    /// Makes a table again and again until it is heard of: everything before it has been heard of by then.
    private func fence() async throws(TestKitError) {
        let name = "\(Self.marker)-\(UInt32.random(in: 0 ... .max))"
        let nft = NFT(namespace, build: build)
        let end = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < end {
            try await nft.load("add table ip \(name)\ndelete table ip \(name)\n")
            try? await Task.sleep(for: .milliseconds(50))
            if monitor.output.contains(name) { return }
        }
        throw .timeLimit("nft monitor shows a change")
    }
}
