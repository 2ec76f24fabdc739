import Glibc
import NetworkTypes

/// An entry of a socket's error queue (`IP_RECVERR`, `IPV6_RECVERR`).
struct ErrorReport {
    /// The refusal, if the error came over the network.
    var refusal: Refusal?
    /// The first bytes of the packet that met the error, from its transport header on.
    var packet: [UInt8]
}

extension Socket {
    /// The next entry of the error queue; nil if there is none.
    func takeReport() -> ErrorReport? {
        var packet = [UInt8](repeating: 0, count: 512)
        var control = [UInt8](repeating: 0, count: 512)
        var message = msghdr()
        let count = packet.withUnsafeMutableBytes { packet in
            control.withUnsafeMutableBytes { control in
                var vector = iovec(iov_base: packet.baseAddress, iov_len: packet.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    message.msg_control = control.baseAddress
                    message.msg_controllen = control.count
                    return recvmsg(descriptor, &message, Int32(MSG_ERRQUEUE))
                }
            }
        }
        if count < 0 { return nil }
        return ErrorReport(
            refusal: Self.refusal(in: control[..<Int(message.msg_controllen)]), packet: Array(packet[..<count]))
    }

    /// Finds the `sock_extended_err` among control messages: each begins with its length (8 bytes), level and type
    /// (4 bytes each), and is padded to 8 bytes.
    private static func refusal(in control: ArraySlice<UInt8>) -> Refusal? {
        var rest = Array(control)
        while rest.count >= 16 {
            let (length, level, type) = rest.withUnsafeBytes { bytes in
                (
                    bytes.loadUnaligned(as: Int.self), bytes.loadUnaligned(fromByteOffset: 8, as: Int32.self),
                    bytes.loadUnaligned(fromByteOffset: 12, as: Int32.self)
                )
            }
            guard length >= 16, length <= rest.count else { return nil }
            let isIPv4 = level == Int32(IPPROTO_IP) && type == IP_RECVERR
            let isIPv6 = level == Int32(IPPROTO_IPV6) && type == IPV6_RECVERR
            if (isIPv4 || isIPv6) && length >= 16 + 8 {
                // ee_errno (4 bytes), ee_origin, ee_type, ee_code; origin 2 is ICMP, 3 is ICMPv6.
                let (origin, icmpType, code) = (rest[20], rest[21], rest[22])
                return origin == 2 || origin == 3
                    ? .icmp(type: icmpType, code: code, family: origin == 2 ? .ipv4 : .ipv6) : nil
            }
            rest = Array(rest.dropFirst((length + 7) & ~7))
        }
        return nil
    }
}

extension IPAddress {
    /// `0.0.0.0` or `::`.
    static func unspecified(_ family: IPFamily) -> IPAddress {
        family == .ipv4 ? .v4(IPv4Address(rawValue: 0)) : .v6(IPv6Address(high: 0, low: 0))
    }
}
