import NetworkTypes

/// The header of the PROXY protocol, versions 1 and 2, that load balancers put before what they send. The addresses in it
/// are not used: nothing here trusts them.
///
/// Source: "The PROXY protocol, Versions 1 & 2" (HAProxy's doc/proxy-protocol.txt), sections 2.1 and 2.2.
enum ProxyHeader {
    /// What the first bytes of a connection are.
    enum Finding: Hashable {
        /// No header; they are the request itself.
        case none
        /// The beginning of a header, or too few to tell.
        case incomplete
        /// A header of this many bytes.
        case header(length: Int)
        /// They begin like a header and break its rules.
        case malformed
    }

    /// The longest line of version 1, with its end.
    static let longestLine = 107
    /// The longest part after the fixed 16 bytes of version 2 that is read, of the 65535 that the field could say.
    static let longestPart = 4096

    private static let word = Array("PROXY ".utf8)
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]

    /// Looks for a header in the first bytes of a connection.
    static func find(in bytes: [UInt8]) -> Finding {
        if bytes.starts(with: word) { return line(bytes) }
        if bytes.starts(with: signature) { return binary(bytes) }
        return word.starts(with: bytes) || signature.starts(with: bytes) ? .incomplete : .none
    }

    private static func line(_ bytes: [UInt8]) -> Finding {
        guard let end = bytes.prefix(longestLine).firstIndex(of: 10) else {
            return bytes.count < longestLine ? .incomplete : .malformed
        }
        guard bytes[end - 1] == 13 else { return .malformed }
        let words = bytes[word.count..<end - 1].split(separator: 32, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        // What follows UNKNOWN has no meaning.
        if words.first == "UNKNOWN" { return .header(length: end + 1) }
        let family: IPFamily? =
            switch words.first {
            case "TCP4": .ipv4
            case "TCP6": .ipv6
            default: nil
            }
        guard let family, words.count == 5, words[1...2].allSatisfy({ IPAddress($0)?.family == family }),
            words[3...4].allSatisfy({ UInt16($0) != nil && !$0.hasPrefix("+") })
        else { return .malformed }
        return .header(length: end + 1)
    }

    private static func binary(_ bytes: [UInt8]) -> Finding {
        guard bytes.count > 12 else { return .incomplete }
        // Version 2, and the command LOCAL (0) or PROXY (1).
        guard bytes[12] == 0x20 || bytes[12] == 0x21 else { return .malformed }
        guard bytes.count >= 16 else { return .incomplete }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard length <= longestPart else { return .malformed }
        guard bytes.count >= 16 + length else { return .incomplete }
        // LOCAL, and families that are not known, say nothing: what follows is to be skipped.
        let addresses: Int? =
            switch bytes[13] >> 4 {
            case 1: 12
            case 2: 36
            case 3: 216
            default: nil
            }
        if bytes[12] == 0x21, let addresses {
            guard length >= addresses, isTLVs(bytes[(16 + addresses)..<(16 + length)]) else { return .malformed }
        }
        return .header(length: 16 + length)
    }

    /// Whether bytes are type, length and value, again and again.
    private static func isTLVs(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            guard rest.count >= 3 else { return false }
            let length = Int(rest[rest.startIndex + 1]) << 8 | Int(rest[rest.startIndex + 2])
            guard rest.count >= 3 + length else { return false }
            rest = rest.dropFirst(3 + length)
        }
        return true
    }
}
