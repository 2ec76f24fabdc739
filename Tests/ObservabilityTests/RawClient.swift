import FairleadTestKit
import Glibc
import Telemetry

/// A TCP connection to the server of a bench, in the network namespace of the calling thread.
final class RawClient {
    private let descriptor: Int32

    /// - Parameter seconds: how long to wait for bytes.
    init(seconds: Int = 20) throws(TestKitError) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = ListenerTests.Bench.address.port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        if result != 0 { throw .system(operation: "connect", errno: errno) }
    }

    deinit { close(descriptor) }

    /// Sends bytes; what a server does not want any more is lost.
    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    func send(_ text: String) { send(Array(text.utf8)) }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What comes until the server closes; nil if it does not.
    func rest() -> String? {
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 {
                result += buffer[..<count]
            } else if count < 0 && errno == EAGAIN {
                return nil
            } else {
                break
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
