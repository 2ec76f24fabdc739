import FairleadTestKit
import Glibc

/// An established TCP connection of which this process has both ends.
final class Conversation {
    private let namespace: NetworkNamespace
    private let client: Int32
    private let server: Int32

    /// Few enough to fit the receiver's buffer.
    private static let burst = 32
    private static let bytes = 64

    /// Connects to an address of the namespace, or one that its rules translate to such.
    ///
    /// - Parameters:
    ///   - port: where to connect to.
    ///   - serverPort: where that arrives.
    init(
        in namespace: NetworkNamespace, to address: SyntheticCluster.IPv4Number, port: UInt16, serverPort: UInt16
    ) throws(TestKitError) {
        self.namespace = namespace
        let ends = try namespace.run { () throws(TestKitError) in
            let listener = try Self.socket()
            defer { close(listener) }
            try SystemCall.check(Self.with(.init(value: 0), serverPort) { bind(listener, $0, $1) }, "bind")
            try SystemCall.check(listen(listener, 4), "listen")
            let client = try Self.socket()
            let status = Self.with(address, port) { connect(client, $0, $1) }
            try SystemCall.check(status, "connect to \(address.text):\(port)")
            return (client, try SystemCall.check(accept(listener, nil, nil), "accept"))
        }
        (client, server) = ends
    }

    deinit {
        close(client)
        close(server)
    }

    /// Sends so many segments and reads them at the other end.
    ///
    /// - Returns: nanoseconds of processor time for each.
    func talk(_ segments: Int) throws(TestKitError) -> Double {
        try namespace.run { () throws(TestKitError) in
            let message = [UInt8](repeating: 1, count: Self.bytes)
            var buffer = [UInt8](repeating: 0, count: Self.bytes * Self.burst)
            let start = ProcessorTime.now
            for _ in 0..<segments / Self.burst {
                for _ in 0..<Self.burst where send(client, message, message.count, 0) != message.count {
                    throw .system(operation: "send a segment", errno: errno)
                }
                var left = buffer.count
                while left > 0 {
                    let count = recv(server, &buffer, left, 0)
                    if count <= 0 { throw .system(operation: "receive segments", errno: errno) }
                    left -= count
                }
            }
            return (ProcessorTime.now - start) / Double(segments / Self.burst * Self.burst)
        }
    }

    private static func socket() throws(TestKitError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = try SystemCall.check(Glibc.socket(AF_INET, type, 0), "make a socket")
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, size)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, size)
        return descriptor
    }

    private static func with(
        _ address: SyntheticCluster.IPv4Number, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        place.sin_addr.s_addr = address.value.bigEndian
        return withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
