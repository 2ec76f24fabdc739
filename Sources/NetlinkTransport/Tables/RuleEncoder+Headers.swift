import CNftnl
import Netfilter
import NetworkTypes

/// Fields of headers that take more than one expression, or that `nft` has no name for.
extension RuleEncoder {
    /// IPv4 has the code point in one byte, IPv6 across two.
    func matchCodePoint(_ value: UInt8, to rule: RuleDraft) {
        if family == .ipv4 {
            payload(base: 1, offset: 1, length: 1, register: 1, to: rule)
            bitwise(mask: UInt8(0xFC), xor: UInt8(0), to: rule)
            compare(differs: false, value << 2, to: rule)
        } else {
            payload(base: 1, offset: 0, length: 2, register: 1, to: rule)
            bitwise(mask: UInt16(0x0FC0).bigEndian, xor: UInt16(0), to: rule)
            compare(differs: false, (UInt16(value) << 6).bigEndian, to: rule)
        }
    }

    /// The first two bytes of the header are rewritten; that of IPv4 has a checksum at byte 10.
    func setCodePoint(_ value: UInt8, to rule: RuleDraft) {
        let isIPv4 = family == .ipv4
        let bits: UInt16 = UInt16(value) << (isIPv4 ? 2 : 6)
        payload(base: 1, offset: 0, length: 2, register: 1, to: rule)
        bitwise(mask: UInt16(isIPv4 ? 0xFF03 : 0xF03F).bigEndian, xor: bits.bigEndian, to: rule)
        add("payload", to: rule) { expression in
            set32(expression, NFTNL_EXPR_PAYLOAD_SREG, 1)
            set32(expression, NFTNL_EXPR_PAYLOAD_BASE, 1)
            set32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, 0)
            set32(expression, NFTNL_EXPR_PAYLOAD_LEN, 2)
            set32(expression, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, isIPv4 ? 1 : 0)
            set32(expression, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, isIPv4 ? 10 : 0)
            set32(expression, NFTNL_EXPR_PAYLOAD_FLAGS, 0)
        }
    }

    func matchContinuation(to rule: RuleDraft) {
        load(.transportProtocol, register: 1, to: rule)
        compare(differs: false, TransportProtocol.tcp.rawValue, to: rule)
        payload(base: 2, offset: 13, length: 1, register: 1, to: rule)
        // FIN, SYN, RST, ACK; of them SYN.
        bitwise(mask: UInt8(0x17), xor: UInt8(0), to: rule)
        compare(differs: true, UInt8(0x02), to: rule)
    }

    func matchUnreachable(to rule: RuleDraft) {
        let isIPv4 = family == .ipv4
        load(.transportProtocol, register: 1, to: rule)
        compare(differs: false, UInt8(isIPv4 ? 1 : 58), to: rule)
        payload(base: 2, offset: 0, length: 1, register: 1, to: rule)
        if isIPv4 {
            compare(differs: false, UInt8(3), to: rule)
            // The header of the packet in it: version 4, five words.
            payload(base: 2, offset: 8, length: 1, register: 1, to: rule)
            compare(differs: false, UInt8(0x45), to: rule)
        } else {
            compare(.less, UInt8(3), to: rule)
        }
    }

    /// The packet in an ICMP error begins behind eight bytes of ICMP.
    func loadEmbedded(_ field: Selector, register: UInt32, to rule: RuleDraft) {
        let isIPv4 = family == .ipv4
        let (network, transport): (UInt32, UInt32) = (8, isIPv4 ? 28 : 48)
        switch field {
        case .embeddedProtocol:
            payload(base: 2, offset: network + (isIPv4 ? 9 : 6), length: 1, register: register, to: rule)
        case .embeddedSourcePort: payload(base: 2, offset: transport, length: 2, register: register, to: rule)
        case .embeddedSlot(let modulus, let ofAddressAlone):
            let (address, port) = (Self.register(atByte: 32), Self.register(atByte: isIPv4 ? 36 : 48))
            payload(
                base: 2, offset: network + (isIPv4 ? 16 : 24), length: isIPv4 ? 4 : 16, register: address, to: rule)
            if !ofAddressAlone { payload(base: 2, offset: transport + 2, length: 2, register: port, to: rule) }
            hash(
                from: address, bytes: (isIPv4 ? 4 : 16) + (ofAddressAlone ? 0 : 4), seed: Selector.slotSeed,
                modulus: modulus, register: register, to: rule)
        default: break
        }
    }

    /// - Parameter start: registers from this byte on are read into that nothing else of the rule uses.
    func hash(
        _ fields: [Selector], readTo start: Int, seed: UInt32, modulus: UInt32, register: UInt32, to rule: RuleDraft
    ) {
        load(fields, from: start, to: rule)
        hash(
            from: Self.register(atByte: start), bytes: UInt32(fields.width(family)), seed: seed, modulus: modulus,
            register: register, to: rule)
    }

    private func hash(
        from source: UInt32, bytes: UInt32, seed: UInt32, modulus: UInt32, register: UInt32, to rule: RuleDraft
    ) {
        add("hash", to: rule) { expression in
            set32(expression, NFTNL_EXPR_HASH_SREG, source)
            set32(expression, NFTNL_EXPR_HASH_DREG, register)
            set32(expression, NFTNL_EXPR_HASH_LEN, bytes)
            set32(expression, NFTNL_EXPR_HASH_MODULUS, modulus)
            set32(expression, NFTNL_EXPR_HASH_SEED, seed)
        }
    }
}
