import CNftnl
import Netfilter
import NetworkTypes

/// Makes libnftnl rules from rules, in the registers and the order that `nft` itself would use, so that `nft` can show
/// them and the kernel's dump can be compared with them. What the kernel fills in by itself (flags of a lookup, ends of a
/// range) is written out for the same reason.
struct RuleEncoder {
    let family: IPFamily

    /// Makes a rule; the caller frees it.
    func encode(_ rule: Rule, table: String, chain: String) -> OpaquePointer? {
        guard let result = nftnl_rule_alloc() else { return nil }
        nftnl_rule_set_u32(result, UInt16(NFTNL_RULE_FAMILY.rawValue), UInt32(family.netfilterNumber))
        nftnl_rule_set_str(result, UInt16(NFTNL_RULE_TABLE.rawValue), table)
        nftnl_rule_set_str(result, UInt16(NFTNL_RULE_CHAIN.rawValue), chain)
        for statement in rule { append(statement, to: result) }
        return result
    }

    private func append(_ statement: Statement, to rule: OpaquePointer) {
        switch statement {
        case .lookup(let fields, let set, let negated):
            load(fields, to: rule)
            add("lookup", to: rule) { expression in
                set32(expression, NFTNL_EXPR_LOOKUP_SREG, 1)
                setText(expression, NFTNL_EXPR_LOOKUP_SET, set)
                set32(expression, NFTNL_EXPR_LOOKUP_FLAGS, negated ? 1 : 0)
            }
        case .connectionState(let state): matchState(mask: stateBit(state), to: rule)
        case .connectionStateIsNot(let state):
            conntrack(0, register: 1, to: rule)
            compare(differs: true, stateBit(state), to: rule)
        case .isDestinationTranslated:
            conntrack(2, register: 1, to: rule)
            anyBit(of: 1 << 5, to: rule)
        case .transport(let transport):
            load(.transportProtocol, register: 1, to: rule)
            compare(differs: false, transport.rawValue, to: rule)
        case .originalProtocol(let transport):
            load(.originalProtocol, register: 1, to: rule)
            compare(differs: false, transport.rawValue, to: rule)
        case .sourceIsLocal:
            add("fib", to: rule) { expression in
                set32(expression, NFTNL_EXPR_FIB_DREG, 1)
                set32(expression, NFTNL_EXPR_FIB_RESULT, 3)
                set32(expression, NFTNL_EXPR_FIB_FLAGS, 1)
            }
            compare(differs: false, UInt32(2), to: rule)
        case .counter: add("counter", to: rule) { _ in }
        case .destinationNAT(let fields, let map): translate(fields, map, to: rule)
        case .masquerade: add("masq", to: rule) { set32($0, NFTNL_EXPR_MASQ_FLAGS, 0x10) }
        case .rejectWithReset: reject(type: 1, code: 0, to: rule)
        case .reject: reject(type: 0, code: family == .ipv4 ? 3 : 4, to: rule)
        case .accept: verdict(1, to: rule)
        case .drop: verdict(0, to: rule)
        case .jump(let chain): verdict(-3, chain, to: rule)
        case .goto(let chain): verdict(-4, chain, to: rule)
        }
    }

    // MARK: Parts

    private func translate(_ fields: [Selector], _ map: String, to rule: OpaquePointer) {
        load(fields, to: rule)
        add("lookup", to: rule) { expression in
            set32(expression, NFTNL_EXPR_LOOKUP_SREG, 1)
            set32(expression, NFTNL_EXPR_LOOKUP_DREG, 1)
            setText(expression, NFTNL_EXPR_LOOKUP_SET, map)
            set32(expression, NFTNL_EXPR_LOOKUP_FLAGS, 0)
        }
        add("nat", to: rule) { expression in
            set32(expression, NFTNL_EXPR_NAT_TYPE, 1)
            set32(expression, NFTNL_EXPR_NAT_FAMILY, UInt32(family.netfilterNumber))
            let port = Self.register(atByte: ValueType.address.width(family))
            set32(expression, NFTNL_EXPR_NAT_REG_ADDR_MIN, 1)
            set32(expression, NFTNL_EXPR_NAT_REG_ADDR_MAX, 1)
            set32(expression, NFTNL_EXPR_NAT_REG_PROTO_MIN, port)
            set32(expression, NFTNL_EXPR_NAT_REG_PROTO_MAX, port)
        }
    }

    private func stateBit(_ state: Statement.ConnectionState) -> UInt32 {
        switch state {
        case .invalid: 1
        case .new: 8
        }
    }

    private func matchState(mask: UInt32, to rule: OpaquePointer) {
        conntrack(0, register: 1, to: rule)
        anyBit(of: mask, to: rule)
    }

    private func anyBit(of mask: UInt32, to rule: OpaquePointer) {
        add("bitwise", to: rule) { expression in
            set32(expression, NFTNL_EXPR_BITWISE_SREG, 1)
            set32(expression, NFTNL_EXPR_BITWISE_DREG, 1)
            set32(expression, NFTNL_EXPR_BITWISE_LEN, 4)
            setBytes(expression, NFTNL_EXPR_BITWISE_MASK, mask)
            setBytes(expression, NFTNL_EXPR_BITWISE_XOR, UInt32(0))
        }
        compare(differs: true, UInt32(0), to: rule)
    }

    private func compare<Value>(differs: Bool, _ value: Value, to rule: OpaquePointer) {
        add("cmp", to: rule) { expression in
            set32(expression, NFTNL_EXPR_CMP_SREG, 1)
            set32(expression, NFTNL_EXPR_CMP_OP, differs ? 1 : 0)
            setBytes(expression, NFTNL_EXPR_CMP_DATA, value)
        }
    }

    private func reject(type: UInt32, code: UInt8, to rule: OpaquePointer) {
        add("reject", to: rule) { expression in
            set32(expression, NFTNL_EXPR_REJECT_TYPE, type)
            nftnl_expr_set_u8(expression, UInt16(NFTNL_EXPR_REJECT_CODE), code)
        }
    }

    private func verdict(_ code: Int32, _ chain: String? = nil, to rule: OpaquePointer) {
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

    private func load(_ fields: [Selector], to rule: OpaquePointer) {
        var offset = 0
        for field in fields {
            load(field, register: Self.register(atByte: offset), to: rule)
            offset += field.valueType.width(family)
        }
    }

    private func load(_ field: Selector, register: UInt32, to rule: OpaquePointer) {
        let isIPv4 = family == .ipv4
        let address: UInt32 = isIPv4 ? 4 : 16
        switch field {
        case .sourceAddress: payload(base: 1, offset: isIPv4 ? 12 : 8, length: address, register: register, to: rule)
        case .destinationAddress:
            payload(base: 1, offset: isIPv4 ? 16 : 24, length: address, register: register, to: rule)
        case .sourcePort: payload(base: 2, offset: 0, length: 2, register: register, to: rule)
        case .destinationPort: payload(base: 2, offset: 2, length: 2, register: register, to: rule)
        case .transportProtocol:
            add("meta", to: rule) { expression in
                set32(expression, NFTNL_EXPR_META_KEY, 16)
                set32(expression, NFTNL_EXPR_META_DREG, register)
            }
        case .random(let modulus):
            add("numgen", to: rule) { expression in
                set32(expression, NFTNL_EXPR_NG_DREG, register)
                set32(expression, NFTNL_EXPR_NG_TYPE, 1)
                set32(expression, NFTNL_EXPR_NG_MODULUS, modulus)
            }
        case .originalDestinationAddress:
            conntrack(isIPv4 ? 20 : 22, register: register, original: true, to: rule)
        case .originalProtocol: conntrack(10, register: register, to: rule)
        case .originalDestinationPort: conntrack(12, register: register, original: true, to: rule)
        }
    }

    private func payload(base: UInt32, offset: UInt32, length: UInt32, register: UInt32, to rule: OpaquePointer) {
        add("payload", to: rule) { expression in
            set32(expression, NFTNL_EXPR_PAYLOAD_DREG, register)
            set32(expression, NFTNL_EXPR_PAYLOAD_BASE, base)
            set32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, offset)
            set32(expression, NFTNL_EXPR_PAYLOAD_LEN, length)
        }
    }

    private func conntrack(_ key: UInt32, register: UInt32, original: Bool = false, to rule: OpaquePointer) {
        add("ct", to: rule) { expression in
            set32(expression, NFTNL_EXPR_CT_KEY, key)
            set32(expression, NFTNL_EXPR_CT_DREG, register)
            if original { nftnl_expr_set_u8(expression, UInt16(NFTNL_EXPR_CT_DIR), 0) }
        }
    }

    // MARK: libnftnl

    private func add(_ name: String, to rule: OpaquePointer, _ fill: (OpaquePointer) -> Void) {
        guard let expression = nftnl_expr_alloc(name) else { return }
        fill(expression)
        nftnl_rule_add_expr(rule, expression)
    }

    private func set32(_ expression: OpaquePointer, _ attribute: Int, _ value: UInt32) {
        nftnl_expr_set_u32(expression, UInt16(attribute), value)
    }

    private func setText(_ expression: OpaquePointer, _ attribute: Int, _ value: String) {
        nftnl_expr_set_str(expression, UInt16(attribute), value)
    }

    private func setBytes<Value>(_ expression: OpaquePointer, _ attribute: Int, _ value: Value) {
        withUnsafeBytes(of: value) { bytes in
            _ = nftnl_expr_set(expression, UInt16(attribute), bytes.baseAddress, UInt32(bytes.count))
        }
    }
}
