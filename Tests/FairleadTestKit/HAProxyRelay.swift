import Glibc
import Synchronization

/// A socket in front of HAProxy's runtime API that hands commands on, one a connection, in its own way.
public final class HAProxyRelay: Sendable {
    /// What becomes of a command: returns the answer. `ask` asks HAProxy.
    public typealias Manner = @Sendable (_ command: String, _ ask: (String) -> String) -> String

    private let directory: TemporaryDirectory
    private let isStopped = Atomic<Bool>(false)
    private let exchanges: Exchanges

    private final class Exchanges: Sendable { let list = Mutex<[(command: String, answer: String)]>([]) }

    /// The path of the socket.
    public var socket: String { "\(directory.path)/relay.sock" }

    /// What was asked and answered so far.
    public var log: [(command: String, answer: String)] { exchanges.list.withLock { $0 } }

    /// Listens.
    public init(to haproxy: HAProxy, _ manner: @escaping Manner) throws(TestKitError) {
        directory = try TemporaryDirectory()
        let exchanges = Exchanges()
        self.exchanges = exchanges
        let listener = try TestKitError.checkErrno(
            Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0), "socket")
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = "\(directory.path)/relay.sock"
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        _ = try TestKitError.checkErrno(status, path)
        _ = try TestKitError.checkErrno(listen(listener, 16), path)
        Task.detached { [weak self] in
            while self?.isStopped.load(ordering: .relaxed) == false {
                var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
                if poll(&entry, 1, 0) > 0 {
                    let connection = accept(listener, nil, nil)
                    if connection >= 0 { Self.serve(connection, haproxy, manner, exchanges) }
                } else {
                    try? await Task.sleep(for: .milliseconds(5))
                }
            }
            close(listener)
        }
    }

    deinit { isStopped.store(true, ordering: .relaxed) }

    private static func serve(_ connection: Int32, _ haproxy: HAProxy, _ manner: Manner, _ exchanges: Exchanges) {
        defer { close(connection) }
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while bytes.last != 10 {
            let count = recv(connection, &buffer, buffer.count, 0)
            if count <= 0 { return }
            bytes += buffer[..<count]
        }
        let command = String(decoding: bytes.dropLast(), as: UTF8.self)
        let answer = manner(command) { (try? haproxy.ask($0)) ?? "" }
        exchanges.list.withLock { $0.append((command, answer)) }
        let text = Array(answer.utf8)
        _ = send(connection, text, text.count, Int32(MSG_NOSIGNAL))
    }
}
