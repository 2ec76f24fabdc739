import CLinux
import NetworkTypes

/// The addresses of the network namespace in which the calling thread is.
public enum HostAddresses {
    /// The addresses of all interfaces that are up.
    public static func all() throws(NetlinkError) -> [IPAddress] {
        var addresses = [fl_address](repeating: fl_address(), count: 64)
        while true {
            let count = Int(fl_host_addresses(&addresses, addresses.count))
            guard count >= 0 else { throw .system(operation: "list the node's addresses", errno: Int32(-count)) }
            if count <= addresses.count { return addresses[..<count].compactMap { IPAddress($0) } }
            addresses = [fl_address](repeating: fl_address(), count: count + 16)
        }
    }

    /// The address that the node reaches the outside world from: by its default route, else the first address that other
    /// hosts can use. Nil if there is none of the family.
    public static func primary(_ family: IPFamily) -> IPAddress? {
        var address = fl_address()
        if fl_primary_address(family == .ipv4 ? 2 : 10, &address) == 0, let found = IPAddress(address) { return found }
        return ((try? all()) ?? []).first { $0.family == family && !$0.isLoopback && !$0.isLinkLocal }
    }

    /// The node's name as the system has it, in lower case, as a kubelet registers it.
    public static func nodeName() -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress, fl_host_name(base, buffer.count) == 0 else { return nil }
            return String(cString: base).lowercased()
        }
    }
}

extension IPAddress {
    init?(_ address: fl_address) {
        let word = withUnsafeBytes(of: address.bytes) { bytes in
            (0..<4).map { UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)) }
        }
        switch address.family {
        case 2: self = .v4(IPv4Address(rawValue: word[0]))
        case 10:
            self = .v6(
                IPv6Address(high: UInt64(word[0]) << 32 | UInt64(word[1]), low: UInt64(word[2]) << 32 | UInt64(word[3]))
            )
        default: return nil
        }
    }
}
