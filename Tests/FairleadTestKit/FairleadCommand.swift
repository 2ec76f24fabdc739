import Glibc

/// The executable under test.
public struct FairleadCommand: Sendable {
    /// Where it is.
    public let path: String

    /// The executable at that path.
    public init(path: String) { self.path = path }

    /// The executable that `FAIRLEAD_BINARY` names, else the one that was built next to this process's own.
    public init() throws(TestKitError) {
        if let variable = getenv("FAIRLEAD_BINARY") {
            path = String(cString: variable)
        } else {
            var buffer = [CChar](repeating: 0, count: 4096)
            let length = readlink("/proc/self/exe", &buffer, buffer.count)
            let own = String(decoding: buffer[..<max(0, length)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            path = own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/fairlead"
        }
        if access(path, X_OK) != 0 { throw .notFound("\(path) (set FAIRLEAD_BINARY, or build the product first)") }
    }

    /// The program with these arguments.
    public func program(_ arguments: [String], timeLimit: Duration = .seconds(30)) -> Program {
        Program(path, arguments, timeLimit: timeLimit)
    }

    /// Runs the executable inside the namespace to its end.
    public func run(_ arguments: [String], in namespace: NetworkNamespace) async throws(TestKitError) -> ProgramResult {
        try await namespace.execute(program(arguments))
    }

    /// Starts the executable inside the namespace and lets it run (for five minutes at the most).
    public func start(_ arguments: [String], in namespace: NetworkNamespace) async throws(TestKitError) -> Daemon {
        try await Daemon(program(arguments, timeLimit: .seconds(300)), in: namespace)
    }

    /// What says which cluster and node this is, for every subcommand that takes manifests.
    public static func clusterArguments(manifests: String) -> [String] {
        ["--manifests", manifests, "--node-name", "node1", "--cluster-cidr", ClusterTopology.clusterCIDRs]
    }
}
