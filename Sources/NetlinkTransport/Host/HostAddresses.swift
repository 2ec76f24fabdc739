import CLinux
import Glibc
import NetworkTypes

/// The addresses of the network namespace in which the calling thread is.
public enum HostAddresses {
    /// The addresses of all interfaces that are up, those left out that the node does not answer to yet: an IPv6 address
    /// is tentative until duplicate address detection has passed. A deprecated one still counts; it is only not chosen
    /// for new connections of the node's own.
    ///
    /// Waits until a change of an interface that is under way is complete.
    public static func all() throws(NetlinkError) -> [IPAddress] {
        try AddressDump().usableAddresses()
    }

    /// The address that the node reaches the outside world from: by its default route, else the first address that other
    /// hosts can use. Nil if there is none of the family.
    public static func primary(_ family: IPFamily) -> IPAddress? {
        var address = fl_address()
        if fl_primary_address(family == .ipv4 ? 2 : 10, &address) == 0, let found = IPAddress(address) { return found }
        return ((try? all()) ?? []).first { $0.family == family && !$0.isLoopback && !$0.isLinkLocal }
    }

    /// The names of all interfaces, whether they are up or not; nil if they cannot be read.
    public static func interfaceNames() -> [String]? {
        guard let first = if_nameindex() else { return nil }
        defer { if_freenameindex(first) }
        var names: [String] = []
        var entry = first
        // An entry of zeros is the end.
        while let name = entry.pointee.if_name {
            names.append(String(cString: name))
            entry += 1
        }
        return names
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
        let family: IPFamily? =
            switch address.family {
            case RouteMessage.ipv4: .ipv4
            case RouteMessage.ipv6: .ipv6
            default: nil
            }
        guard let family else { return nil }
        let address = withUnsafeBytes(of: address.bytes) { bytes in IPAddress(networkBytes: bytes, family) }
        guard let address else { return nil }
        self = address
    }

    /// The address whose bytes these begin with, in network byte order; nil if they are too few.
    init?(networkBytes bytes: UnsafeRawBufferPointer, _ family: IPFamily) {
        func word(_ index: Int) -> UInt32 {
            UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
        }
        guard bytes.count >= family.addressBits / 8 else { return nil }
        switch family {
        case .ipv4: self = .v4(IPv4Address(rawValue: word(0)))
        case .ipv6:
            self = .v6(
                IPv6Address(high: UInt64(word(0)) << 32 | UInt64(word(1)), low: UInt64(word(2)) << 32 | UInt64(word(3)))
            )
        }
    }
}
