import Glibc
import NetworkTypes

/// An address and port in the form that the socket calls want.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    /// Room for the kernel to write an address to.
    init() {}

    init(_ address: IPAddress, port: UInt16) {
        switch address {
        case .v4(let value):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = value.rawValue.bigEndian
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: name, as: sockaddr_in.self) }
        case .v6(let value):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) { bytes in
                bytes.storeBytes(of: value.high.bigEndian, as: UInt64.self)
                bytes.storeBytes(of: value.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: name, as: sockaddr_in6.self) }
        }
    }

    /// The address and port, if it is an IP address.
    var value: HostPort? {
        withUnsafeBytes(of: storage) { bytes -> HostPort? in
            switch Int32(storage.ss_family) {
            case AF_INET:
                let name = bytes.load(as: sockaddr_in.self)
                return HostPort(
                    .v4(IPv4Address(rawValue: UInt32(bigEndian: name.sin_addr.s_addr))),
                    UInt16(bigEndian: name.sin_port))
            case AF_INET6:
                let name = bytes.load(as: sockaddr_in6.self)
                let halves = withUnsafeBytes(of: name.sin6_addr) { half in
                    (half.load(as: UInt64.self), half.load(fromByteOffset: 8, as: UInt64.self))
                }
                let address = IPv6Address(high: UInt64(bigEndian: halves.0), low: UInt64(bigEndian: halves.1))
                return HostPort(.v6(address), UInt16(bigEndian: name.sin6_port))
            default: return nil
            }
        }
    }

    /// Calls the closure with the pointer that socket calls take.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// Calls the closure with pointers that the kernel writes an address to.
    mutating func fill<Result>(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result)
        -> Result
    {
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }
}

/// An address with a port.
public struct HostPort: Hashable, Sendable, Comparable {
    /// The address.
    public var address: IPAddress
    /// The port.
    public var port: UInt16

    /// Makes an address with a port.
    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Sorts by address, then port.
    public static func < (lhs: Self, rhs: Self) -> Bool { (lhs.address, lhs.port) < (rhs.address, rhs.port) }
}

extension HostPort: CustomStringConvertible {
    /// `address:port`, an IPv6 address in brackets.
    public var description: String { address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
