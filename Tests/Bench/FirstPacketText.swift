import FairleadTestKit
import Glibc
import NetworkTypes

/// The bytes of packets that begin flows: SYNs or datagrams, alike but for the source port, with right checksums.
struct FirstPacketText {
    private let family: IPFamily
    private let transport: TransportProtocol
    private let source: [UInt8]
    private let destination: [UInt8]
    private let port: UInt16

    /// - Throws: `TestKitError` if a text is no address.
    init(
        _ transport: TransportProtocol, from source: String, to destination: String, _ port: UInt16
    ) throws(TestKitError) {
        guard let from = IPAddress(source), let to = IPAddress(destination), from.family == to.family else {
            throw .conversation("\(source) and \(destination) are no addresses of one family")
        }
        family = from.family
        self.transport = transport
        self.source = Self.bytes(from)
        self.destination = Self.bytes(to)
        self.port = port
    }

    /// So many packets, one after the other, with source ports from 1024 on.
    func all(_ count: Int) -> [UInt8] {
        (0..<count).flatMap { packet(from: UInt16(1024 + $0 % 64_000)) }
    }

    private func packet(from sourcePort: UInt16) -> [UInt8] {
        var segment = Self.bytes(sourcePort) + Self.bytes(port)
        if transport == .tcp {
            // No sequence number, five words, SYN, a window.
            segment += [UInt8](repeating: 0, count: 8) + [5 << 4, 2, 4, 0, 0, 0, 0, 0]
        } else {
            segment += Self.bytes(UInt16(16)) + [UInt8](repeating: 0, count: 10)
        }
        let pseudo = source + destination + [0, transport.rawValue] + Self.bytes(UInt16(segment.count))
        let place = transport == .tcp ? 16 : 6
        let sum = Self.checksum(pseudo + segment)
        segment.replaceSubrange(place..<place + 2, with: Self.bytes(sum))
        return header(segment.count) + segment
    }

    private func header(_ length: Int) -> [UInt8] {
        if family == .ipv6 {
            return [6 << 4, 0, 0, 0] + Self.bytes(UInt16(length)) + [transport.rawValue, 64] + source + destination
        }
        var header = [0x45, 0] + Self.bytes(UInt16(20 + length)) + [0, 0, 0, 0, 64, transport.rawValue, 0, 0]
        header += source + destination
        header.replaceSubrange(10..<12, with: Self.bytes(Self.checksum(header)))
        return header
    }

    private static func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }

    private static func bytes(_ address: IPAddress) -> [UInt8] {
        switch address {
        case .v4(let value): withUnsafeBytes(of: value.rawValue.bigEndian) { Array($0) }
        case .v6(let value):
            withUnsafeBytes(of: value.high.bigEndian) { Array($0) }
                + withUnsafeBytes(of: value.low.bigEndian) { Array($0) }
        }
    }

    /// The internet checksum (RFC 1071).
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(sum)
    }
}
