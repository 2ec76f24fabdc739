import Glibc
import NetworkTypes

/// A TCP segment without options and payload, made by hand.
public struct TCPSegment: Hashable, Sendable {
    /// The flags of the header.
    public struct Flags: OptionSet, Hashable, Sendable {
        /// The byte of the header.
        public let rawValue: UInt8
        /// Wraps the byte of the header.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// FIN.
        public static let finish = Flags(rawValue: 1)
        /// SYN.
        public static let synchronize = Flags(rawValue: 2)
        /// RST.
        public static let reset = Flags(rawValue: 4)
        /// ACK.
        public static let acknowledge = Flags(rawValue: 16)
    }

    /// The sender; of a received segment the address is the one that it arrived with.
    public var source: HostPort
    /// The port that it goes to.
    public var destinationPort: UInt16
    /// The sequence number.
    public var sequence: UInt32
    /// The acknowledgement number.
    public var acknowledgement: UInt32
    /// The flags.
    public var flags: Flags
    /// The number of bytes of payload; what is sent has none.
    public private(set) var length = 0

    /// Makes a segment.
    public init(
        from source: HostPort, toPort destinationPort: UInt16, sequence: UInt32, acknowledgement: UInt32, flags: Flags
    ) {
        self.source = source
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgement = acknowledgement
        self.flags = flags
    }

    /// The sequence number behind the segment: what its receiver acknowledges.
    public var end: UInt32 {
        sequence &+ UInt32(length) &+ (flags.isDisjoint(with: [.finish, .synchronize]) ? 0 : 1)
    }

    /// Reads a segment as a raw socket delivers it: IPv4 with the IP header, IPv6 without.
    init?(raw bytes: [UInt8], from source: IPAddress) {
        let start = source.family == .ipv4 ? Int((bytes.first ?? 0) & 15) * 4 : 0
        guard bytes.count >= start + 20 else { return nil }
        let header = Array(bytes[start...])
        self.init(
            from: HostPort(source, UInt16(network: header[0..<2])), toPort: UInt16(network: header[2..<4]),
            sequence: UInt32(network: header[4..<8]), acknowledgement: UInt32(network: header[8..<12]),
            flags: Flags(rawValue: header[13]))
        length = max(0, header.count - Int(header[12] >> 4) * 4)
    }

    /// The header with a valid checksum.
    func bytes(to destination: IPAddress) -> [UInt8] {
        var header = source.port.networkBytes + destinationPort.networkBytes + sequence.networkBytes
        header += acknowledgement.networkBytes + [5 << 4, flags.rawValue] + UInt16(512).networkBytes + [0, 0, 0, 0]
        let pseudoHeader = source.address.networkBytes + destination.networkBytes + [0, 6, 0, 20]
        var sum = (pseudoHeader + header).pairs.reduce(UInt32(0)) { $0 + UInt32($1) }
        while sum > 0xFFFF { sum = (sum & 0xFFFF) + sum >> 16 }
        header.replaceSubrange(16..<18, with: (~UInt16(sum)).networkBytes)
        return header
    }
}

/// Hears all TCP segments that are delivered to a namespace, and sends segments that no connection there knows of.
public final class SegmentSocket: Sendable {
    private let namespace: NetworkNamespace
    private let listener: Int32

    /// Starts to listen.
    public init(_ namespace: NetworkNamespace, _ family: IPFamily) throws(TestKitError) {
        self.namespace = namespace
        listener = try namespace.run { () throws(TestKitError) in try Self.open(family) }
    }

    deinit { close(listener) }

    private static func open(_ family: IPFamily) throws(TestKitError) -> Int32 {
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        return try TestKitError.checkErrno(
            socket(family == .ipv4 ? AF_INET : AF_INET6, kind, Int32(IPPROTO_TCP)), "raw TCP socket")
    }

    /// Sends a segment; its source has to be an address of the namespace.
    public func send(_ segment: TCPSegment, to destination: IPAddress) throws(TestKitError) {
        try namespace.run { () throws(TestKitError) in
            let sender = try Self.open(destination.family)
            defer { close(sender) }
            let bound = SocketAddress(segment.source.address, port: 0).withPointer { Glibc.bind(sender, $0, $1) }
            _ = try TestKitError.checkErrno(bound, "bind to \(segment.source.address)")
            let bytes = segment.bytes(to: destination)
            let sent = SocketAddress(destination, port: 0).withPointer { sendto(sender, bytes, bytes.count, 0, $0, $1) }
            _ = try TestKitError.checkErrno(Int32(sent), "send a segment to \(destination)")
        }
    }

    /// The segments that have arrived since the last call.
    public func received() -> [TCPSegment] {
        var result: [TCPSegment] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            var peer = SocketAddress()
            let count = peer.fill { recvfrom(listener, &buffer, buffer.count, 0, $0, $1) }
            if count < 0 { return result }
            guard let source = peer.value?.address else { continue }
            if let segment = TCPSegment(raw: Array(buffer[..<count]), from: source) { result.append(segment) }
        }
    }
}

extension IPAddress {
    /// The bytes of the address, most significant first.
    fileprivate var networkBytes: [UInt8] {
        switch self {
        case .v4(let value): value.rawValue.networkBytes
        case .v6(let value): value.high.networkBytes + value.low.networkBytes
        }
    }
}

extension [UInt8] {
    /// The bytes in pairs, as numbers in network byte order.
    fileprivate var pairs: some Sequence<UInt16> {
        stride(from: 0, to: count, by: 2).lazy.map { UInt16(network: self[$0..<Swift.min($0 + 2, self.count)]) }
    }
}
