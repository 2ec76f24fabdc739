import CNftnl
import Netfilter
import NetworkTypes

/// Makes libnftnl rules from rules, in the registers and the order that `nft` itself would use, so that `nft` can show
/// them and the kernel's dump can be compared with them. What the kernel fills in by itself (flags of a lookup, ends of a
/// range) is written out for the same reason.
struct RuleEncoder {
    let family: IPFamily
    var memory = EncoderMemory.system

    /// Makes a rule; the caller frees it.
    ///
    /// - Throws: `NetlinkError.noMemory` if any part of it could not be made. There is no rule then, not one without the part.
    func encode(_ rule: Rule, table: String, chain: String) throws(NetlinkError) -> OpaquePointer {
        let draft = try RuleDraft(name: "table \(family.nftName) \(table), chain \(chain)", memory)
        nftnl_rule_set_u32(draft.rule, UInt16(NFTNL_RULE_FAMILY.rawValue), UInt32(family.netfilterNumber))
        draft.note("its table") { nftnl_rule_set_str(draft.rule, UInt16(NFTNL_RULE_TABLE.rawValue), table) }
        draft.note("its chain") { nftnl_rule_set_str(draft.rule, UInt16(NFTNL_RULE_CHAIN.rawValue), chain) }
        for statement in rule { append(statement, to: draft) }
        return try draft.finish()
    }

    private func append(_ statement: Statement, to rule: RuleDraft) {
        switch statement {
        case .lookup(let fields, let set, let negated):
            load(fields, to: rule)
            lookup(set, negated: negated, to: rule)
        case .connectionState(let state): matchState(mask: stateBit(state), to: rule)
        case .connectionStateIsNot(let state):
            conntrack(0, register: 1, to: rule)
            compare(differs: true, stateBit(state), to: rule)
        case .isDestinationTranslated:
            conntrack(2, register: 1, to: rule)
            anyBit(of: 1 << 5, to: rule)
        case .isConfirmed:
            conntrack(2, register: 1, to: rule)
            anyBit(of: 1 << 3, to: rule)
        case .isReply:
            conntrack(1, register: 1, to: rule)
            compare(differs: false, UInt8(1), to: rule)
        case .transport(let transport):
            load(.transportProtocol, register: 1, to: rule)
            compare(differs: false, transport.rawValue, to: rule)
        case .originalProtocol(let transport):
            load(.originalProtocol, register: 1, to: rule)
            compare(differs: false, transport.rawValue, to: rule)
        case .sourceIsLocal:
            addressType(ofDestination: false, to: rule)
            compare(differs: false, UInt32(2), to: rule)
        case .sourceIsNotLocal:
            addressType(ofDestination: false, to: rule)
            compare(differs: true, UInt32(2), to: rule)
        case .destinationIsNotLocal:
            addressType(ofDestination: true, to: rule)
            compare(differs: true, UInt32(2), to: rule)
        case .inputInterface(let name, let isPrefix, let negated):
            meta(6, register: 1, to: rule)
            compareText(name, isPrefix: isPrefix, differs: negated, to: rule)
        case .hasInputInterface:
            meta(4, register: 1, to: rule)
            compare(differs: true, UInt32(0), to: rule)
        case .counter: add("counter", to: rule) { _ in }
        case .hasPriority:
            load(.priority, register: 1, to: rule)
            compare(differs: true, UInt32(0), to: rule)
        case .priorityHasBits(let bits):
            load(.priority, register: 1, to: rule)
            mask(bits, to: rule)
            compare(differs: false, bits, to: rule)
        case .setPriority(let fields, let map):
            load(fields, to: rule)
            lookup(map, into: 1, to: rule)
            setPriority(to: rule)
        case .resetPriority:
            add("immediate", to: rule) { expression in
                set32(expression, NFTNL_EXPR_IMM_DREG, 1)
                setBytes(expression, NFTNL_EXPR_IMM_DATA, UInt32(0))
            }
            setPriority(to: rule)
        case .dispatch(let fields, let map):
            load(fields, to: rule)
            lookup(map, into: 0, to: rule)
        case .update(let key, let map, let data, let seconds): update(key, map, data, seconds, to: rule)
        case .destinationNATFromTwo(let fields, let addresses, let ports):
            translate(fields, addresses, ports, to: rule)
        case .destinationNAT(let fields, let map): translate(fields, map, to: rule)
        case .masquerade: add("masq", to: rule) { set32($0, NFTNL_EXPR_MASQ_FLAGS, 0x10) }
        case .rejectWithReset: reject(type: 1, code: 0, to: rule)
        case .reject: reject(type: 0, code: family == .ipv4 ? 3 : 4, to: rule)
        case .accept: verdict(1, to: rule)
        case .drop: verdict(0, to: rule)
        case .duplicate(let fields, let map):
            load(fields, to: rule)
            lookup(map, into: 1, to: rule)
            add("dup", to: rule) { set32($0, NFTNL_EXPR_DUP_SREG_ADDR, 1) }
        case .hasCodePoint(let value): matchCodePoint(value, to: rule)
        case .setCodePoint(let value): setCodePoint(value, to: rule)
        case .hasHopLimit(let value):
            load(.hopLimit, register: 1, to: rule)
            compare(differs: false, value, to: rule)
        case .continuesConnection: matchContinuation(to: rule)
        case .reportsUnreachable: matchUnreachable(to: rule)
        case .leave: verdict(-5, to: rule)
        case .jump(let chain): verdict(-3, chain, to: rule)
        case .goto(let chain): verdict(-4, chain, to: rule)
        }
    }

    // MARK: Parts

    private func translate(_ fields: [Selector], _ map: String, to rule: RuleDraft) {
        load(fields, to: rule)
        lookup(map, into: 1, to: rule)
        translate(addressIn: 1, portIn: Self.register(atByte: ValueType.address.width(family)), to: rule)
    }

    /// The address stays in the first 16 bytes of the registers while the port is looked up behind them.
    private func translate(_ fields: [Selector], _ addresses: String, _ ports: String, to rule: RuleDraft) {
        load(fields, to: rule)
        lookup(addresses, into: 1, to: rule)
        load(fields, from: 16, to: rule)
        let port = Self.register(atByte: 16)
        lookup(ports, from: port, into: port, to: rule)
        translate(addressIn: 1, portIn: port, to: rule)
    }

    private func translate(addressIn address: UInt32, portIn port: UInt32, to rule: RuleDraft) {
        add("nat", to: rule) { expression in
            set32(expression, NFTNL_EXPR_NAT_TYPE, 1)
            set32(expression, NFTNL_EXPR_NAT_FAMILY, UInt32(family.netfilterNumber))
            set32(expression, NFTNL_EXPR_NAT_REG_ADDR_MIN, address)
            set32(expression, NFTNL_EXPR_NAT_REG_ADDR_MAX, address)
            set32(expression, NFTNL_EXPR_NAT_REG_PROTO_MIN, port)
            set32(expression, NFTNL_EXPR_NAT_REG_PROTO_MAX, port)
        }
    }

    private func lookup(
        _ set: String, from source: UInt32 = 1, into target: UInt32? = nil, negated: Bool = false,
        to rule: RuleDraft
    ) {
        add("lookup", to: rule) { expression in
            set32(expression, NFTNL_EXPR_LOOKUP_SREG, source)
            if let target { set32(expression, NFTNL_EXPR_LOOKUP_DREG, target) }
            setText(expression, NFTNL_EXPR_LOOKUP_SET, set)
            set32(expression, NFTNL_EXPR_LOOKUP_FLAGS, negated ? 1 : 0)
        }
    }

    private func update(
        _ key: [Selector], _ map: String, _ data: [Selector], _ seconds: Int, to rule: RuleDraft
    ) {
        load(key, to: rule)
        let start = (key.width(family) + 15) & ~15
        load(data, from: start, to: rule)
        add("dynset", to: rule) { expression in
            set32(expression, NFTNL_EXPR_DYNSET_SREG_KEY, 1)
            if !data.isEmpty { set32(expression, NFTNL_EXPR_DYNSET_SREG_DATA, Self.register(atByte: start)) }
            set32(expression, NFTNL_EXPR_DYNSET_OP, 1)
            setBytes(expression, NFTNL_EXPR_DYNSET_TIMEOUT, UInt64(seconds) * 1000)
            setText(expression, NFTNL_EXPR_DYNSET_SET_NAME, map)
        }
    }

    private func setPriority(to rule: RuleDraft) {
        add("meta", to: rule) { expression in
            set32(expression, NFTNL_EXPR_META_KEY, 2)
            set32(expression, NFTNL_EXPR_META_SREG, 1)
        }
    }

    private func addressType(ofDestination isDestination: Bool, to rule: RuleDraft) {
        add("fib", to: rule) { expression in
            set32(expression, NFTNL_EXPR_FIB_DREG, 1)
            set32(expression, NFTNL_EXPR_FIB_RESULT, 3)
            set32(expression, NFTNL_EXPR_FIB_FLAGS, isDestination ? 2 : 1)
        }
    }

    /// Interface names are compared in their 16 bytes, a prefix in as many as it has.
    private func compareText(_ text: String, isPrefix: Bool, differs: Bool, to rule: RuleDraft) {
        var bytes = Array(text.utf8.prefix(15))
        if !isPrefix { bytes += Array(repeating: 0, count: 16 - bytes.count) }
        add("cmp", to: rule) { expression in
            set32(expression, NFTNL_EXPR_CMP_SREG, 1)
            set32(expression, NFTNL_EXPR_CMP_OP, differs ? 1 : 0)
            bytes.withUnsafeBytes { expression.set(NFTNL_EXPR_CMP_DATA, $0) }
        }
    }

    private func stateBit(_ state: Statement.ConnectionState) -> UInt32 {
        switch state {
        case .invalid: 1
        case .established: 2
        case .new: 8
        }
    }

    private func matchState(mask: UInt32, to rule: RuleDraft) {
        conntrack(0, register: 1, to: rule)
        anyBit(of: mask, to: rule)
    }

    private func anyBit(of bits: UInt32, to rule: RuleDraft) {
        mask(bits, to: rule)
        compare(differs: true, UInt32(0), to: rule)
    }

    private func mask(_ bits: UInt32, to rule: RuleDraft) {
        add("bitwise", to: rule) { expression in
            set32(expression, NFTNL_EXPR_BITWISE_SREG, 1)
            set32(expression, NFTNL_EXPR_BITWISE_DREG, 1)
            set32(expression, NFTNL_EXPR_BITWISE_LEN, 4)
            setBytes(expression, NFTNL_EXPR_BITWISE_MASK, bits)
            setBytes(expression, NFTNL_EXPR_BITWISE_XOR, UInt32(0))
        }
    }

    func bitwise<Value: FixedWidthInteger>(mask: Value, xor: Value, to rule: RuleDraft) {
        add("bitwise", to: rule) { expression in
            set32(expression, NFTNL_EXPR_BITWISE_SREG, 1)
            set32(expression, NFTNL_EXPR_BITWISE_DREG, 1)
            set32(expression, NFTNL_EXPR_BITWISE_LEN, UInt32(MemoryLayout<Value>.size))
            setBytes(expression, NFTNL_EXPR_BITWISE_MASK, mask)
            setBytes(expression, NFTNL_EXPR_BITWISE_XOR, xor)
        }
    }

    /// How the kernel compares; the raw value is its number.
    enum Comparison: UInt32 {
        case equal = 0
        case unequal = 1
        case less = 2
    }

    func compare<Value>(differs: Bool, _ value: Value, to rule: RuleDraft) {
        compare(differs ? .unequal : .equal, value, to: rule)
    }

    func compare<Value>(_ comparison: Comparison, _ value: Value, to rule: RuleDraft) {
        add("cmp", to: rule) { expression in
            set32(expression, NFTNL_EXPR_CMP_SREG, 1)
            set32(expression, NFTNL_EXPR_CMP_OP, comparison.rawValue)
            setBytes(expression, NFTNL_EXPR_CMP_DATA, value)
        }
    }

    private func reject(type: UInt32, code: UInt8, to rule: RuleDraft) {
        add("reject", to: rule) { expression in
            set32(expression, NFTNL_EXPR_REJECT_TYPE, type)
            setBytes(expression, NFTNL_EXPR_REJECT_CODE, code)
        }
    }

    private func verdict(_ code: Int32, _ chain: String? = nil, to rule: RuleDraft) {
        add("immediate", to: rule) { expression in
            set32(expression, NFTNL_EXPR_IMM_DREG, 0)
            set32(expression, NFTNL_EXPR_IMM_VERDICT, UInt32(bitPattern: code))
            if let chain { setText(expression, NFTNL_EXPR_IMM_CHAIN, chain) }
        }
    }

    // MARK: Selectors

    /// The number of the register at a byte: the kernel names those at multiples of 16 bytes by their old numbers.
    static func register(atByte offset: Int) -> UInt32 {
        offset % 16 == 0 ? UInt32(offset / 16 + 1) : UInt32(8 + offset / 4)
    }

    func load(_ fields: [Selector], from start: Int = 0, to rule: RuleDraft) {
        var offset = start
        for field in fields {
            load(field, register: Self.register(atByte: offset), to: rule)
            offset += field.valueType.width(family)
        }
    }

    func load(_ field: Selector, register: UInt32, to rule: RuleDraft) {
        let isIPv4 = family == .ipv4
        let address: UInt32 = isIPv4 ? 4 : 16
        switch field {
        case .sourceAddress: payload(base: 1, offset: isIPv4 ? 12 : 8, length: address, register: register, to: rule)
        case .destinationAddress:
            payload(base: 1, offset: isIPv4 ? 16 : 24, length: address, register: register, to: rule)
        case .sourcePort: payload(base: 2, offset: 0, length: 2, register: register, to: rule)
        case .destinationPort: payload(base: 2, offset: 2, length: 2, register: register, to: rule)
        case .hopLimit: payload(base: 1, offset: isIPv4 ? 8 : 7, length: 1, register: register, to: rule)
        case .transportProtocol: meta(16, register: register, to: rule)
        case .priority: meta(2, register: register, to: rule)
        case .hashedSourceAddress(let seed):
            hash([.sourceAddress], readTo: 48, seed: seed, modulus: .max, register: register, to: rule)
        case .sourceSlot(let modulus, let ofAddressAlone):
            hash(
                ofAddressAlone ? [.sourceAddress] : [.sourceAddress, .sourcePort], readTo: 32, seed: Selector.slotSeed,
                modulus: modulus, register: register, to: rule)
        case .embeddedProtocol, .embeddedSourcePort, .embeddedSlot: loadEmbedded(field, register: register, to: rule)
        case .random(let modulus):
            add("numgen", to: rule) { expression in
                set32(expression, NFTNL_EXPR_NG_DREG, register)
                set32(expression, NFTNL_EXPR_NG_TYPE, 1)
                set32(expression, NFTNL_EXPR_NG_MODULUS, modulus)
            }
        case .originalDestinationAddress:
            conntrack(isIPv4 ? 20 : 22, register: register, original: true, to: rule)
        case .connectionID: conntrack(23, register: register, to: rule)
        case .chain: break
        case .originalProtocol: conntrack(10, register: register, to: rule)
        case .originalDestinationPort: conntrack(12, register: register, original: true, to: rule)
        }
    }

    private func meta(_ key: UInt32, register: UInt32, to rule: RuleDraft) {
        add("meta", to: rule) { expression in
            set32(expression, NFTNL_EXPR_META_KEY, key)
            set32(expression, NFTNL_EXPR_META_DREG, register)
        }
    }

    func payload(base: UInt32, offset: UInt32, length: UInt32, register: UInt32, to rule: RuleDraft) {
        add("payload", to: rule) { expression in
            set32(expression, NFTNL_EXPR_PAYLOAD_DREG, register)
            set32(expression, NFTNL_EXPR_PAYLOAD_BASE, base)
            set32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, offset)
            set32(expression, NFTNL_EXPR_PAYLOAD_LEN, length)
        }
    }

    private func conntrack(_ key: UInt32, register: UInt32, original: Bool = false, to rule: RuleDraft) {
        add("ct", to: rule) { expression in
            set32(expression, NFTNL_EXPR_CT_KEY, key)
            set32(expression, NFTNL_EXPR_CT_DREG, register)
            if original { setBytes(expression, NFTNL_EXPR_CT_DIR, UInt8(0)) }
        }
    }

    // MARK: libnftnl

    func add(_ name: String, to rule: RuleDraft, _ fill: (ExpressionDraft) -> Void) {
        rule.add(name, fill)
    }

    func set32(_ expression: ExpressionDraft, _ attribute: Int, _ value: UInt32) {
        setBytes(expression, attribute, value)
    }

    private func setText(_ expression: ExpressionDraft, _ attribute: Int, _ value: String) {
        expression.set(attribute, text: value)
    }

    private func setBytes<Value>(_ expression: ExpressionDraft, _ attribute: Int, _ value: Value) {
        withUnsafeBytes(of: value) { expression.set(attribute, $0) }
    }
}
