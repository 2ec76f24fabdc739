import NetworkTypes

extension Statement {
    /// The `nft` text in a table of the family.
    public func text(_ family: IPFamily) -> String {
        switch self {
        case .lookup(let fields, let set, let negated): "\(fields.text(family)) \(negated ? "!= " : "")@\(set)"
        case .connectionState(let state): "ct state \(state.rawValue)"
        case .connectionStateIsNot(let state): "ct state != \(state.rawValue)"
        case .isDestinationTranslated: "ct status dnat"
        case .isConfirmed: "ct status confirmed"
        case .isReply: "ct direction reply"
        case .transport(let transport): "meta l4proto \(transport)"
        case .originalProtocol(let transport): "ct protocol \(transport)"
        case .sourceIsLocal: "fib saddr type local"
        case .sourceIsNotLocal: "fib saddr type != local"
        case .destinationIsNotLocal: "fib daddr type != local"
        case .hasPriority: "meta priority != none"
        case .priorityHasBits(let bits):
            "meta priority & \(Self.classText(bits)) == \(Self.classText(bits))"
        case .inputInterface(let name, let isPrefix, let negated):
            "iifname \(negated ? "!= " : "")\"\(name)\(isPrefix ? "*" : "")\""
        case .hasInputInterface: "iif != 0"
        case .counter: "counter"
        case .setPriority(let fields, let map): "meta priority set \(fields.text(family)) map @\(map)"
        case .resetPriority: "meta priority set 0:0"
        case .update(let key, let map, let data, let seconds):
            "update @\(map) { \(key.text(family)) timeout \(seconds)s\(data.isEmpty ? "" : " : \(data.text(family))") }"
        case .dispatch(let fields, let map): "\(fields.text(family)) vmap @\(map)"
        case .destinationNATFromTwo(let fields, let addresses, let ports):
            "dnat \(family.nftName) to \(fields.text(family)) map @\(addresses) : \(fields.text(family)) map @\(ports)"
        case .destinationNAT(let fields, let map): "dnat \(family.nftName) to \(fields.text(family)) map @\(map)"
        case .masquerade: "masquerade fully-random"
        case .duplicate(let fields, let map): "dup to \(fields.text(family)) map @\(map)"
        case .hasCodePoint(let value): "\(family.nftName) dscp \(Self.codePointText(value))"
        case .setCodePoint(let value): "\(family.nftName) dscp set \(Self.codePointText(value))"
        case .hasHopLimit(let value): "\(Selector.hopLimit.text(family)) \(value)"
        case .continuesConnection: "tcp flags != syn / fin,syn,rst,ack"
        case .reportsUnreachable:
            family == .ipv4 ? "icmp type destination-unreachable @th,64,8 0x45" : "icmpv6 type < time-exceeded"
        case .rejectWithReset: "reject with tcp reset"
        case .reject: "reject"
        case .accept: "accept"
        case .drop: "drop"
        case .leave: "return"
        case .jump(let chain): "jump \(chain)"
        case .goto(let chain): "goto \(chain)"
        }
    }

    /// As `nft` writes code points that have no name of their own.
    private static func codePointText(_ value: UInt8) -> String {
        "0x\(value < 16 ? "0" : "")\(String(value, radix: 16))"
    }

    /// As `nft` writes priorities: two numbers of 16 bits.
    private static func classText(_ priority: UInt32) -> String {
        "\(String(priority >> 16, radix: 16)):\(String(priority & 0xFFFF, radix: 16))"
    }
}

extension [Statement] {
    /// The `nft` text of a rule.
    public func text(_ family: IPFamily) -> String { map { $0.text(family) }.joined(separator: " ") }
}

extension SetDeclaration {
    /// The lines of the declaration without elements and braces, each without indentation.
    public func lines(_ family: IPFamily) -> [String] {
        var lines: [String] = []
        if isPlainAddressSet {
            lines.append("type \(family == .ipv4 ? "ipv4_addr" : "ipv6_addr")")
        } else {
            lines.append("typeof \(key.text(family))" + (isMap ? " : \(data.text(family))" : ""))
        }
        if let size { lines.append("size \(size)") }
        if isInterval { lines.append("flags interval") }
        if isDynamic { lines.append("flags dynamic,timeout") }
        if countsPackets { lines.append("counter") }
        if let comment { lines.append("comment \"\(comment)\"") }
        return lines
    }

    /// The `nft` text of an element: `10.96.0.10 . tcp . 80 . 0 : 10.128.1.11 . 8080`.
    public func text(of element: Element, _ family: IPFamily) -> String {
        var text = ElementText.key(element, declaration: self, family)
        if countsPackets { text += " counter packets 0 bytes 0" }
        if let comment = element.comment { text += " comment \"\(comment)\"" }
        if let value = element.data { text += " : " + ElementText.fields(value, data, family) }
        return text
    }
}

/// The text of an element's key and data.
public enum ElementText {
    /// The fields of a key or data, joined as `nft` joins them.
    public static func fields(_ value: ElementKey, _ selectors: [Selector], _ family: IPFamily) -> String {
        var offset = 0
        var parts: [String] = []
        for selector in selectors {
            parts.append(field(value, at: offset, selector.valueType, family))
            offset += selector.valueType.width(family)
        }
        return parts.joined(separator: " . ")
    }

    /// The text of an element's key; an interval as a prefix where it is one.
    public static func key(_ element: Element, declaration: SetDeclaration, _ family: IPFamily) -> String {
        guard let end = element.keyEnd, let ranged = declaration.key.last else {
            return fields(element.key, declaration.key, family)
        }
        // Only the last field of a key is ever a range.
        let exact = Array(declaration.key.dropLast())
        let base = exact.width(family)
        let prefix = exact.isEmpty ? "" : fields(element.key, exact, family) + " . "
        let first = field(element.key, at: base, ranged.valueType, family)
        let last = field(end, at: base, ranged.valueType, family)
        return prefix + interval(from: element.key, to: end, at: base, first: first, last: last, family)
    }

    /// `nft` shows an interval as a prefix where it is one.
    private static func interval(
        from start: ElementKey, to end: ElementKey, at base: Int, first: String, last: String, _ family: IPFamily
    ) -> String {
        if start == end { return first }
        let bytes = family == .ipv4 ? 4 : 16
        let (start, end) = (start.shifted(by: base, count: bytes), end.shifted(by: base, count: bytes))
        var prefix = 0
        var isPrefix = true
        for offset in stride(from: 0, to: bytes, by: 4) {
            let common = (start[offset] ^ end[offset]).leadingZeroBitCount
            if prefix == offset * 8 {
                prefix += common
                if common == 32 { continue }
            }
            let mask: UInt32 =
                prefix > offset * 8 ? (prefix - offset * 8 >= 32 ? 0 : ~0 >> UInt32(prefix - offset * 8)) : ~0
            if start[offset] & mask != 0 || end[offset] | ~mask != ~0 { isPrefix = false }
        }
        return isPrefix ? "\(first)/\(prefix)" : "\(first)-\(last)"
    }

    private static func field(_ value: ElementKey, at offset: Int, _ type: ValueType, _ family: IPFamily) -> String {
        switch type {
        case .address where family == .ipv4:
            return IPv4Address(rawValue: value[offset]).description
        case .address:
            let high = UInt64(value[offset]) << 32 | UInt64(value[offset + 4])
            let low = UInt64(value[offset + 8]) << 32 | UInt64(value[offset + 12])
            return IPv6Address(high: high, low: low).description
        case .transportProtocol:
            let number = UInt8(value[offset] >> 24)
            return TransportProtocol(rawValue: number)?.description ?? "\(number)"
        case .port:
            return "\(value[offset] >> 16)"
        case .priority:
            let number = UInt32(bigEndian: value[offset])
            return String(number >> 16, radix: 16) + ":" + String(number & 0xFFFF, radix: 16)
        case .number:
            return "\(value[offset] >> 24)"
        case .raw(let bytes):
            return "0x" + String(value[offset] >> UInt32(32 - 8 * bytes), radix: 16)
        case .slot, .connectionID:
            return "\(UInt32(bigEndian: value[offset]))"
        case .verdict(let prefix):
            return "goto \(prefix)\(UInt32(bigEndian: value[offset]))"
        }
    }
}

extension Chain {
    /// The line that declares a base chain's hook; nil for other chains.
    public var hookLine: String? {
        hook.map { "type \($0.kind.rawValue) hook \($0.point.name) priority \($0.priority); policy accept;" }
    }
}
