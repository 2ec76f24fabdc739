import Glibc
import Synchronization

/// A real HAProxy, with what its configuration needs of a directory (`/run/haproxy` in the configuration).
public final class HAProxy: Sendable {
    private let directory: TemporaryDirectory
    private let namespace: NetworkNamespace
    private let build: Neighbour
    private let running: Mutex<Daemon>
    private var daemon: Daemon { running.withLock { $0 } }

    /// The path of the socket of the runtime API.
    public var socket: String { "\(directory.path)/admin.sock" }

    /// Starts HAProxy as a master with a worker, as the Debian package does, and waits until it answers.
    ///
    /// - Parameter build: which HAProxy.
    public init(
        _ configuration: String, in namespace: NetworkNamespace, build: Neighbour = Neighbour("haproxy")
    ) async throws(TestKitError) {
        directory = try TemporaryDirectory()
        self.namespace = namespace
        self.build = build
        try directory.write(Self.text(configuration, directory), to: "haproxy.cfg")
        running = Mutex(try await Self.start(directory, namespace, build))
        try await waitUntilItAnswers()
    }

    /// Starts without any state of servers.
    private static func start(
        _ directory: TemporaryDirectory, _ namespace: NetworkNamespace, _ build: Neighbour
    ) async throws(TestKitError) -> Daemon {
        try directory.write("1\n", to: "server-state")
        let arguments = ["-W", "-db", "-f", "\(directory.path)/haproxy.cfg"]
        return try await Daemon(Program(build.path(), arguments, timeLimit: .seconds(3600)), in: namespace)
    }

    /// Ends HAProxy and restarts it.
    ///
    /// - Parameter isMissed: waits until somebody has found nobody there.
    public func restart(_ isMissed: () async throws(TestKitError) -> Void) async throws(TestKitError) {
        try await stop()
        directory.remove("admin.sock")
        try await isMissed()
        let next = try await Self.start(directory, namespace, build)
        running.withLock { $0 = next }
        try await waitUntilItAnswers()
    }

    deinit { daemon.signal(SIGTERM) }

    /// The socket and the state file are where this process may write.
    private static func text(_ configuration: String, _ directory: TemporaryDirectory) -> String {
        configuration.replacing("/run/haproxy", with: directory.path)
    }

    /// Ends HAProxy, and waits until it has ended.
    public func stop() async throws(TestKitError) {
        daemon.signal(SIGTERM)
        _ = try await daemon.waitForEnd(timeLimit: .seconds(20))
    }

    /// What it has written.
    public var output: String { daemon.output }

    /// Starts a new worker with the configuration; the state of the servers is handed on as its documentation says.
    public func reload() async throws(TestKitError) {
        let before = try ask("show info").processID
        try directory.write(try ask("show servers state"), to: "server-state")
        daemon.signal(SIGUSR2)
        let isNew = await eventually(within: .seconds(20)) {
            do throws(TestKitError) { return try self.ask("show info").processID != before } catch { return false }
        }
        if !isNew { throw .timeLimit("a new worker of HAProxy:\n\(output)") }
    }

    private func waitUntilItAnswers() async throws(TestKitError) {
        let answers = await eventually(within: .seconds(20)) {
            do throws(TestKitError) { return try !self.ask("show info").isEmpty } catch {
                return !self.daemon.isRunning
            }
        }
        if !answers || !daemon.isRunning { throw .timeLimit("HAProxy answers:\n\(output)") }
    }

    /// Asks the runtime API.
    public func ask(_ command: String) throws(TestKitError) -> String {
        let descriptor = try TestKitError.checkErrno(
            Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0), "socket")
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socket.utf8.prefix($0.count - 1)) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        _ = try TestKitError.checkErrno(status, socket)
        let line = Array("\(command)\n".utf8)
        _ = try TestKitError.checkErrno(Int32(send(descriptor, line, line.count, Int32(MSG_NOSIGNAL))), socket)
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count <= 0 { return String(decoding: answer, as: UTF8.self) }
            answer += buffer[..<count]
        }
    }

    /// A column of `show stat` for each server of a backend: `status`, `weight`, `stot` and so on.
    public func servers(_ backend: String, _ column: String) throws(TestKitError) -> [String: String] {
        let lines = try ask("show stat").split(separator: "\n")
        let names = lines.first?.split(separator: ",", omittingEmptySubsequences: false) ?? []
        guard let index = names.firstIndex(of: column[...]) else { throw .notFound("the column \(column)") }
        var result: [String: String] = [:]
        for line in lines.dropFirst() {
            let cells = line.split(separator: ",", omittingEmptySubsequences: false)
            guard cells.count > index, cells[0] == backend,
                !["FRONTEND", "BACKEND"].contains(cells[1])
            else { continue }
            result[String(cells[1])] = String(cells[index])
        }
        return result
    }

    /// Waits until the servers of a backend have these values in a column.
    public func waits(
        for expected: [String: String], _ column: String = "status", of backend: String = "web",
        timeLimit: Duration = .seconds(20)
    ) async throws(TestKitError) {
        var last: [String: String] = [:]
        let deadline = ContinuousClock.now + timeLimit
        while ContinuousClock.now < deadline {
            last = try servers(backend, column)
            if expected.allSatisfy({ last[$0.key] == $0.value }) { return }
            try? await Task.sleep(for: .milliseconds(25))
        }
        throw .timeLimit("servers of \(backend): \(column) \(last), expected \(expected)\n\(output)")
    }
}

extension String {
    /// `Pid:` of `show info`.
    fileprivate var processID: Substring? {
        split(separator: "\n").first { $0.hasPrefix("Pid:") }
    }
}
