import Netfilter
import NetworkTypes

/// The chains of other programs in which packets may be dropped: only read, never changed.
extension NftablesKernel {
    /// Reads the tables that have base chains of type filter.
    ///
    /// - Parameter own: the name of the tables that are not looked at.
    /// - Throws: `NetlinkError.interrupted` if others change the ruleset again and again meanwhile.
    public func filterRules(except own: String) throws(NetlinkError) -> FilterRules {
        for _ in 0..<Self.attempts {
            let before = try generation()
            do throws(NetlinkError) {
                let rules = try readFilterRules(except: own)
                if try generation() == before { return rules }
            } catch {
                // What was listed may be gone by the time that it is read.
                if case .interrupted = error { continue }
                if try generation() == before { throw error }
            }
        }
        throw .interrupted(operation: "read other programs' chains")
    }

    private func readFilterRules(except own: String) throws(NetlinkError) -> FilterRules {
        var chains: [FilterRules.Place: FilterRules.Chain] = [:]
        try list(NFTMessage.getChain, family: 0, operation: "list chains") { message in
            guard let family = FilterRules.Family(netfilterNumber: message.family),
                let table = message.attributes.first(ChainField.table)?.text,
                let name = message.attributes.first(ChainField.name)?.text
            else { return }
            if table == own, family != .inet { return }
            chains[.init(.init(family, table), name)] = .init(entry: Self.entry(message.attributes))
        }
        let tables = Set(chains.compactMap { $0.value.entry == nil ? nil : $0.key.table })
        var rules = FilterRules()
        rules.chains = chains.filter { tables.contains($0.key.table) }
        for table in tables {
            try list(
                NFTMessage.getRule, family: table.family.netfilterNumber, operation: "list rules of table \(table)"
            ) {
                $0.put(RuleField.table, table.name)
            } handle: { message in
                let attributes = message.attributes
                // A kernel that does not select lists all tables.
                guard attributes.first(RuleField.table)?.text == table.name,
                    let chain = attributes.first(RuleField.chain)?.text
                else { return }
                let expressions = attributes.first(RuleField.expressions)?.nested.map(FilterExpression.init)
                rules.chains[.init(table, chain)]?.rules.append(expressions ?? [])
            }
        }
        return rules
    }

    /// Where a base chain of type filter sees packets; nil for any other chain.
    private static func entry(_ chain: AttributeSequence) -> FilterRules.Entry? {
        guard chain.first(ChainField.type)?.text == "filter", let hook = chain.first(ChainField.hook)?.nested,
            let number = hook.first(ChainField.hookNumber)?.number, let place = FilterRules.Hook(rawValue: number)
        else { return nil }
        let priority = Int32(bitPattern: hook.first(ChainField.hookPriority)?.number ?? 0)
        return FilterRules.Entry(
            hook: place, priority: priority, drops: chain.first(ChainField.policy)?.number == ChainField.policyDrop)
    }

    /// Whether a set has a key, for a walk through `filterRules`.
    ///
    /// - Parameter lengths: how long the keys of sets are, as far as they are known; asked for at most once.
    public func find(
        in table: FilterRules.Table, set: String, lengths: inout [FilterRules.Place: Int]?, key: (Int) -> [UInt8]?
    ) -> FilterWalk.Answer {
        if lengths == nil { lengths = (try? keyLengths()) ?? [:] }
        guard let length = lengths?[.init(table, set)], let bytes = key(length) else { return .unknown }
        var answer = FilterWalk.Answer.unknown
        do throws(NetlinkError) {
            try request(
                NFTMessage.getElement, flags: 0, family: table.family.netfilterNumber, operation: "look into set \(set)"
            ) {
                $0.put(ElementAttribute.listTable, table.name)
                $0.put(ElementAttribute.listSet, set)
                let list = $0.beginNest(ElementAttribute.listElements)
                let item = $0.beginNest(ElementAttribute.item)
                let key = $0.beginNest(ElementAttribute.key)
                let room = $0.header(ElementAttribute.value, payload: bytes.count)
                for (offset, byte) in bytes.enumerated() {
                    room.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
                }
                $0.endNest(key)
                $0.endNest(item)
                $0.endNest(list)
            } handle: { message in
                guard let elements = message.attributes.first(ElementAttribute.listElements) else { return }
                for item in elements.nested {
                    answer = .present(
                        item.nested.first(ElementAttribute.data).flatMap { FilterVerdict(data: $0.nested) })
                }
            }
        } catch {
            return error.code == ErrorNumber.noEntry ? .absent : .unknown
        }
        return answer
    }

    /// How long the keys of all sets are, in bytes.
    private func keyLengths() throws(NetlinkError) -> [FilterRules.Place: Int] {
        var result: [FilterRules.Place: Int] = [:]
        try list(NFTMessage.getSet, family: 0, operation: "list sets") { message in
            guard let family = FilterRules.Family(netfilterNumber: message.family),
                let table = message.attributes.first(SetField.table)?.text,
                let name = message.attributes.first(SetField.name)?.text,
                let length = message.attributes.first(SetField.keyLength)?.number
            else { return }
            result[.init(.init(family, table), name)] = Int(min(length, 64))
        }
        return result
    }
}

extension FilterRules.Family {
    fileprivate init?(netfilterNumber number: UInt8) {
        switch number {
        case NetfilterFamily.inet: self = .inet
        case NetfilterFamily.ipv4: self = .ip
        case NetfilterFamily.ipv6: self = .ip6
        default: return nil
        }
    }

    fileprivate var netfilterNumber: UInt8 {
        switch self {
        case .inet: NetfilterFamily.inet
        case .ip: NetfilterFamily.ipv4
        case .ip6: NetfilterFamily.ipv6
        }
    }
}

extension FilterVerdict {
    /// The verdict that data hold.
    fileprivate init?(data: AttributeSequence) {
        guard let verdict = data.first(DataField.verdict)?.nested, let code = verdict.first(VerdictField.code)?.number
        else { return nil }
        let chain = verdict.first(VerdictField.chain)?.text ?? ""
        switch Int32(bitPattern: code) {
        case VerdictField.drop: self = .drop
        case VerdictField.accept, VerdictField.queue: self = .accept
        case VerdictField.jump: self = .jump(chain)
        case VerdictField.goto: self = .goto(chain)
        case VerdictField.leave: self = .leave
        // NFT_CONTINUE and NFT_BREAK: the next rule.
        default: return nil
        }
    }
}

extension FilterExpression {
    /// What an expression of a rule means for a packet.
    init(_ expression: NetlinkAttribute) {
        let attributes = expression.nested
        let data = attributes.first(ExpressionField.data)?.nested ?? AttributeSequence(.init(start: nil, count: 0))
        self = Self.native(attributes.first(ExpressionField.name)?.text ?? "", data) ?? .unclear
    }

    private static func native(_ name: String, _ data: AttributeSequence) -> Self? {
        switch name {
        case "counter", "log", "notrack", "objref", "dynset", "last", "quota", "dup", "flow_offload", "ct_helper":
            return .neutral
        case "reject": return .verdict(.drop)
        case "immediate":
            guard let value = data.first(ImmediateField.data)?.nested else { return nil }
            if let verdict = FilterVerdict(data: value) { return .verdict(verdict) }
            guard let bytes = value.first(DataField.value), let register = register(data, ImmediateField.target) else {
                return .neutral
            }
            return .write(Array(bytes.value), into: register)
        case "meta": return meta(data)
        case "ct":
            guard let register = register(data, ConnectionField.target) else { return .neutral }
            let field: Field =
                switch data.first(ConnectionField.key)?.number {
                case ConnectionField.state: .state
                case ConnectionField.status: .status
                default: .unknown
                }
            // Whatever else is loaded is at the most two IPv6 addresses long.
            return .load(field, into: register, length: field == .unknown ? 16 : 4)
        case "payload": return payload(data)
        case "cmp":
            guard let register = register(data, CompareField.source),
                let bytes = data.first(CompareField.data)?.nested.first(DataField.value),
                let comparison = data.first(CompareField.operation)?.number.flatMap(Comparison.init)
            else { return nil }
            return .compare(register, comparison, Array(bytes.value))
        case "bitwise":
            guard let source = register(data, BitwiseField.source), let target = register(data, BitwiseField.target),
                data.first(BitwiseField.operation)?.number ?? BitwiseField.maskAndXor == BitwiseField.maskAndXor,
                let mask = data.first(BitwiseField.mask)?.nested.first(DataField.value),
                let toggled = data.first(BitwiseField.xor)?.nested.first(DataField.value),
                mask.value.count == toggled.value.count
            else { return nil }
            return .combine(source, into: target, mask: Array(mask.value), toggled: Array(toggled.value))
        case "range":
            guard let register = register(data, RangeField.source),
                let from = data.first(RangeField.from)?.nested.first(DataField.value),
                let to = data.first(RangeField.to)?.nested.first(DataField.value), from.value.count == to.value.count
            else { return nil }
            return .range(
                register, from: Array(from.value), to: Array(to.value),
                isInside: data.first(RangeField.operation)?.number ?? RangeField.inside == RangeField.inside)
        case "lookup":
            guard let set = data.first(LookupField.set)?.text, let source = register(data, LookupField.source) else {
                return nil
            }
            let target = data.first(LookupField.target)?.number
            // A map with other data than verdicts loads what is not known.
            if let target, target != LookupField.verdictRegister { return nil }
            return .lookup(
                set: set, source,
                isInverted: (data.first(LookupField.flags)?.number ?? 0) & LookupField.isInverted != 0,
                isVerdict: target == LookupField.verdictRegister)
        case "match": return match(data)
        case "target": return target(data)
        default: return nil
        }
    }

    /// The first byte of a register: `NFT_REG_1` (1) is the first four of those of four bytes that begin with `NFT_REG32_00` (8).
    private static func register(_ data: AttributeSequence, _ type: UInt16) -> Int? {
        guard let number = data.first(type)?.number else { return nil }
        switch number {
        case 1...4: return Int(number - 1) * 16
        case 8...23: return Int(number - 8) * 4
        default: return nil
        }
    }

    private static func meta(_ data: AttributeSequence) -> Self? {
        let key = data.first(MetaField.key)?.number
        guard let register = register(data, MetaField.target) else {
            guard let source = Self.register(data, MetaField.source) else { return nil }
            return key == MetaField.mark ? .setMarkFrom(source) : .neutral
        }
        switch key {
        case MetaField.mark: return .load(.mark, into: register, length: 4)
        case MetaField.inputIndex: return .load(.inputIndex, into: register, length: 4)
        case MetaField.outputIndex: return .load(.outputIndex, into: register, length: 4)
        case MetaField.inputName: return .load(.inputInterface, into: register, length: 16)
        case MetaField.outputName: return .load(.outputInterface, into: register, length: 16)
        case MetaField.family: return .load(.family, into: register, length: 1)
        case MetaField.transport: return .load(.transport, into: register, length: 1)
        default: return .load(.unknown, into: register, length: 16)
        }
    }

    private static func payload(_ data: AttributeSequence) -> Self? {
        guard let register = register(data, PayloadField.target) else { return .neutral }
        guard let base = data.first(PayloadField.base)?.number, let offset = data.first(PayloadField.offset)?.number,
            let length = data.first(PayloadField.length)?.number, offset < 1 << 16, length <= 64
        else { return nil }
        let field: Field =
            switch base {
            case PayloadField.networkHeader: .network(Int(offset))
            case PayloadField.transportHeader: .header(Int(offset))
            default: .unknown
            }
        return .load(field, into: register, length: Int(length))
    }

    // MARK: iptables

    /// A match of iptables (its info is a structure in the host's byte order).
    private static func match(_ data: AttributeSequence) -> Self? {
        guard let name = data.first(ExtensionField.name)?.text, let info = data.first(ExtensionField.info)?.value else {
            return nil
        }
        let revision = data.first(ExtensionField.revision)?.number ?? 0
        func number(_ offset: Int) -> UInt16 { info.loadUnaligned(fromByteOffset: offset, as: UInt16.self) }
        func word(_ offset: Int) -> UInt32 { info.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        switch name {
        case "comment": return .neutral
        case "conntrack":
            // struct xt_conntrack_mtinfo2 and 3: flags, inverted flags and states behind addresses, times and ports.
            guard revision >= 2, info.count >= 154, number(146) == 1 else { return nil }
            return .connection(states: number(150), isInverted: number(148) & 1 == 1)
        case "multiport":
            // struct xt_multiport_v1: which ports, how many, 15 ports, 15 marks of ranges, inverted.
            guard revision == 1, info.count >= 48, info[0] == 1, info[1] <= 15 else { return nil }
            var ranges: [ClosedRange<UInt16>] = []
            var index = 0
            while index < Int(info[1]) {
                let first = number(2 + 2 * index)
                let isRange = info[32 + index] != 0 && index + 1 < Int(info[1])
                let last = isRange ? number(4 + 2 * index) : first
                ranges.append(first...max(first, last))
                index += isRange ? 2 : 1
            }
            return .ports(ranges, nil, isInverted: info[47] != 0)
        case "tcp", "udp":
            // struct xt_tcp and xt_udp: source ports, destination ports; then what says that more is asked for.
            guard info.count >= (name == "tcp" ? 12 : 9), number(0) == 0, number(2) == .max, number(4) <= number(6)
            else { return nil }
            let flags = name == "tcp" ? info[11] : info[8]
            if name == "tcp", info[8] != 0 || info[9] != 0 { return nil }
            return .ports([number(4)...number(6)], name == "tcp" ? .tcp : .udp, isInverted: flags & 2 != 0)
        case "mark":
            // struct xt_mark_mtinfo1: mark, mask, inverted.
            guard revision == 1, info.count >= 9 else { return nil }
            return .mark(word(0), mask: word(4), isInverted: info[8] != 0)
        default: return nil
        }
    }

    private static func target(_ data: AttributeSequence) -> Self? {
        let info = data.first(ExtensionField.info)?.value
        switch data.first(ExtensionField.name)?.text {
        case "REJECT", "DROP": return .verdict(.drop)
        case "ACCEPT": return .verdict(.accept)
        case "MARK":
            // struct xt_mark_tginfo2: mark, mask.
            guard data.first(ExtensionField.revision)?.number == 2, let info, info.count >= 8 else { return nil }
            return .setMark(
                info.loadUnaligned(fromByteOffset: 0, as: UInt32.self),
                mask: info.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        case "LOG", "NFLOG", "AUDIT", "TRACE", "CT", "NOTRACK", "TCPMSS", "CONNMARK", "CLASSIFY", "DSCP", "TOS", "TTL",
            "HL",
            "CHECKSUM", "SET", "RATEEST", "SECMARK", "CONNSECMARK", "TEE", "IDLETIMER", "LED":
            return .neutral
        // A verdict that is not known: neither accepts nor drops for sure.
        default: return nil
        }
    }
}
