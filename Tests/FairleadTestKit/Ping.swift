import Glibc
import NetworkTypes

/// An ICMP echo request, and what comes back.
public struct Ping: Sendable {
    /// What an echo request is answered with.
    public enum Outcome: Hashable, Sendable {
        /// An echo reply.
        case answered
        /// ICMP destination unreachable, with its code.
        case unreachable(code: UInt8)
        /// ICMP time exceeded: the packet went round until its TTL ended.
        case timeExceeded
        /// Nothing.
        case timedOut
    }

    /// Type of ICMP or ICMPv6: request, reply, unreachable, time exceeded.
    private static func types(
        _ family: IPFamily
    ) -> (request: UInt8, reply: UInt8, unreachable: UInt8, exceeded: UInt8) {
        family == .ipv4 ? (8, 0, 3, 11) : (128, 129, 1, 3)
    }

    /// Sends a request from a namespace and waits for the answer.
    public static func send(
        to destination: IPAddress, in namespace: NetworkNamespace, identifier: UInt16,
        timeLimit: Duration = Probe.patient
    ) async throws(TestKitError) -> Outcome {
        let family = destination.family
        let types = types(family)
        let descriptor = try namespace.run { () throws(TestKitError) in
            let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let number = family == .ipv4 ? Int32(IPPROTO_ICMP) : Int32(IPPROTO_ICMPV6)
            return try TestKitError.checkErrno(
                socket(family == .ipv4 ? AF_INET : AF_INET6, kind, number), "raw ICMP socket")
        }
        defer { close(descriptor) }
        var request: [UInt8] = [types.request, 0, 0, 0] + identifier.networkBytes + [0, 1]
        // The kernel itself writes the checksum of ICMPv6.
        if family == .ipv4 {
            let sum = stride(from: 0, to: request.count, by: 2).reduce(UInt32(0)) {
                $0 + UInt32(request[$1]) << 8 + UInt32(request[$1 + 1])
            }
            request.replaceSubrange(2..<4, with: (~UInt16((sum & 0xFFFF) + sum >> 16)).networkBytes)
        }
        let sent = SocketAddress(destination, port: 0).withPointer {
            sendto(descriptor, request, request.count, 0, $0, $1)
        }
        _ = try TestKitError.checkErrno(Int32(sent), "send an echo request to \(destination)")
        let end = ContinuousClock.now + timeLimit
        var buffer = [UInt8](repeating: 0, count: 1 << 12)
        while ContinuousClock.now < end {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else {
                try? await Task.sleep(for: .milliseconds(5))
                continue
            }
            let start = family == .ipv4 ? Int(buffer[0] & 15) * 4 : 0
            let message = Array(buffer[start..<max(start, count)])
            guard message.count >= 8 else { continue }
            if message[0] == types.reply, message[4..<6] == request[4..<6] { return .answered }
            // Errors hold the packet that they speak of: its IP header and the beginning of the request.
            let header = family == .ipv4 ? Int(message.dropFirst(8).first.map { $0 & 15 } ?? 0) * 4 : 40
            let inner = message.dropFirst(8 + header)
            guard inner.count >= 6, Array(inner.dropFirst(4).prefix(2)) == Array(request[4..<6]) else { continue }
            if message[0] == types.unreachable { return .unreachable(code: message[1]) }
            if message[0] == types.exceeded { return .timeExceeded }
        }
        return .timedOut
    }
}
