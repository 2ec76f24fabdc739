import Dispatch
import Glibc
import SystemSupport

/// HAProxy's runtime API on its stats socket: one connection for each command, which HAProxy ends after its answer.
struct HAProxySocket: Sendable {
    let path: String
    /// How long the whole exchange may take.
    private static let patience = Duration.seconds(5)
    /// An answer that is longer is invalid.
    private static let longestAnswer = 16 << 20

    /// Why HAProxy could not be asked.
    struct Failure: Error, CustomStringConvertible {
        var path: String
        var problem: String
        var description: String { "\(path): HAProxy cannot be asked: \(problem)" }
    }

    /// Sends a command and returns what HAProxy says to it.
    func ask(_ command: String) async throws(Failure) -> String {
        let result: Result<String, Failure> = await withCheckedContinuation { continuation in
            // It may wait for HAProxy: not on a thread of the shared pool.
            DispatchQueue.global().async {
                do throws(Failure) { continuation.resume(returning: .success(try exchange(command))) } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    private func exchange(_ command: String) throws(Failure) -> String {
        let descriptor = try connected()
        defer { close(descriptor) }
        let deadline = ContinuousClock.now + Self.patience
        var rest = Array("\(command)\n".utf8)[...]
        while !rest.isEmpty {
            try wait(descriptor, POLLOUT, deadline)
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno != EAGAIN, errno != EINTR { throw failure(errno) }
            rest = rest.dropFirst(max(0, count))
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while answer.count < Self.longestAnswer {
            try wait(descriptor, POLLIN, deadline)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return String(decoding: answer, as: UTF8.self) }
            if count < 0, errno != EAGAIN, errno != EINTR { throw failure(errno) }
            answer += buffer[..<max(0, count)]
        }
        throw Failure(path: path, problem: "its answer does not end")
    }

    private func connected() throws(Failure) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { throw failure(ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, flags, 0)
        guard descriptor >= 0 else { throw failure(errno) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if status != 0 {
            let error = errno
            close(descriptor)
            throw failure(error)
        }
        return descriptor
    }

    private func wait(_ descriptor: Int32, _ event: Int32, _ deadline: ContinuousClock.Instant) throws(Failure) {
        while true {
            let left = deadline - ContinuousClock.now
            guard left > .zero else { throw Failure(path: path, problem: "it does not answer") }
            var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
            let count = poll(&entry, 1, Int32(left / .milliseconds(1)) + 1)
            if count > 0 { return }
            if count < 0, errno != EINTR { throw failure(errno) }
        }
    }

    private func failure(_ error: Int32) -> Failure { Failure(path: path, problem: SystemError.text(error)) }
}
