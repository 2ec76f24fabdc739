import NetworkTypes

/// The little of SCTP (RFC 9260) that is needed to begin an association: a packet with one chunk.
///
/// INIT is answered with INIT-ACK, whose State Cookie carries the server's answer; ABORT stands for "nobody listens".
struct SCTPPacket: Equatable {
    enum Chunk: Equatable {
        case initiate(tag: UInt32)
        case initiateAcknowledgement(tag: UInt32, cookie: [UInt8])
        case abort
        case other(type: UInt8)
    }

    var sourcePort: UInt16
    var destinationPort: UInt16
    var verificationTag: UInt32
    var chunk: Chunk

    /// The packet with a valid checksum, as it follows the IP header.
    var bytes: [UInt8] {
        var result = sourcePort.networkBytes + destinationPort.networkBytes + verificationTag.networkBytes
        result += [0, 0, 0, 0] + chunk.bytes
        let sum = CRC32C.checksum(result)
        // RFC 9260 appendix A: the CRC goes onto the wire with its least significant byte first.
        for index in 0..<4 { result[8 + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(index))) }
        return result
    }

    init(sourcePort: UInt16, destinationPort: UInt16, verificationTag: UInt32, chunk: Chunk) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.verificationTag = verificationTag
        self.chunk = chunk
    }

    /// Reads a packet; nil if it is too short. The checksum is the kernel's business (conntrack verifies it).
    init?(_ bytes: some RandomAccessCollection<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count >= 12 else { return nil }
        sourcePort = UInt16(network: bytes[0..<2])
        destinationPort = UInt16(network: bytes[2..<4])
        verificationTag = UInt32(network: bytes[4..<8])
        chunk = Chunk(bytes[12...])
    }

    /// Reads a packet as a raw socket delivers it: IPv4 with the IP header, IPv6 without.
    init?(raw bytes: [UInt8], _ family: IPFamily) {
        guard let first = bytes.first else { return nil }
        let header = family == .ipv4 ? Int(first & 15) * 4 : 0
        guard bytes.count >= header else { return nil }
        self.init(bytes[header...])
    }
}

extension SCTPPacket.Chunk {
    private static let stateCookie: UInt16 = 7

    var bytes: [UInt8] {
        switch self {
        case .initiate(let tag): Self.initiation(type: 1, tag: tag, parameters: [])
        case .initiateAcknowledgement(let tag, let cookie): Self.initiation(type: 2, tag: tag, parameters: cookie)
        case .abort: [6, 0, 0, 4]
        case .other(let type): [type, 0, 0, 4]
        }
    }

    private static func initiation(type: UInt8, tag: UInt32, parameters cookie: [UInt8]) -> [UInt8] {
        // Tag, receiver window, 1 outbound and 1 inbound stream, initial sequence number.
        var body = tag.networkBytes + UInt32(65536).networkBytes + [0, 1, 0, 1] + tag.networkBytes
        if !cookie.isEmpty { body += stateCookie.networkBytes + UInt16(cookie.count + 4).networkBytes + cookie }
        let length = UInt16(body.count + 4)
        while body.count % 4 != 0 { body.append(0) }
        return [type, 0] + length.networkBytes + body
    }

    init(_ bytes: ArraySlice<UInt8>) {
        let chunk = Array(bytes)
        guard chunk.count >= 4 else {
            self = .other(type: 255)
            return
        }
        switch (chunk[0], chunk.count) {
        case (1, 20...): self = .initiate(tag: UInt32(network: chunk[4..<8]))
        case (2, 20...):
            self = .initiateAcknowledgement(tag: UInt32(network: chunk[4..<8]), cookie: Self.cookie(in: chunk[20...]))
        case (6, _): self = .abort
        default: self = .other(type: chunk[0])
        }
    }

    private static func cookie(in parameters: ArraySlice<UInt8>) -> [UInt8] {
        var rest = parameters
        while rest.count >= 4 {
            let length = Int(UInt16(network: rest.dropFirst(2).prefix(2)))
            guard length >= 4, length <= rest.count else { return [] }
            if UInt16(network: rest.prefix(2)) == stateCookie { return Array(rest.dropFirst(4).prefix(length - 4)) }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return []
    }
}

/// The Castagnoli CRC that SCTP uses as its checksum.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        var value = UInt32(index)
        for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78 }
        return value
    }

    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { sum, byte in table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
    }
}

extension FixedWidthInteger {
    /// The bytes of the number, most significant first.
    var networkBytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }

    /// The number whose bytes these are, most significant first.
    init(network bytes: some Collection<UInt8>) { self = bytes.reduce(0) { $0 << 8 | Self($1) } }
}
