import Glibc

/// A real bird, the BGP daemon, on one host. Debian has version 2 as package `bird2`, and 3 as `bird3`.
public final class Bird: Sendable {
    private let directory: TemporaryDirectory
    private let daemon: Daemon
    private let namespace: NetworkNamespace
    private let build: Neighbour

    /// The path of the socket that `birdc` talks to.
    public var socket: String { "\(directory.path)/bird.ctl" }

    /// Starts bird and waits until it answers.
    public init(
        _ configuration: String, in namespace: NetworkNamespace, build: Neighbour = Neighbour("bird")
    ) async throws(TestKitError) {
        directory = try TemporaryDirectory()
        (self.namespace, self.build) = (namespace, build)
        let path = try directory.write(configuration, to: "bird.conf")
        let arguments = ["-f", "-c", path, "-s", "\(directory.path)/bird.ctl"]
        daemon = try await Daemon(Program(build.path("bird"), arguments, timeLimit: .seconds(3600)), in: namespace)
        let answers = await eventually(within: .seconds(20)) { [daemon, path = "\(directory.path)/bird.ctl"] in
            access(path, F_OK) == 0 || !daemon.isRunning
        }
        if !answers || !daemon.isRunning { throw .timeLimit("bird answers:\n\(daemon.output)") }
    }

    /// Asks bird something, or tells it to do something.
    public func ask(_ words: [String]) async throws(TestKitError) -> String {
        try await namespace.execute(Program(build.path("birdc"), ["-s", socket] + words)).requireSuccess()
            .standardOutput
    }

    /// Ends bird at once, as a crash does.
    public func kill() { daemon.signal(SIGKILL) }
}
