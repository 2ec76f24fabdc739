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
                let table = message.attributes.first(1)?.text, let name = message.attributes.first(3)?.text
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
                $0.put(1, table.name)
            } handle: { message in
                let attributes = message.attributes
                // A kernel that does not select lists all tables.
                guard attributes.first(1)?.text == table.name, let chain = attributes.first(2)?.text else { return }
                let expressions = attributes.first(4)?.nested.map(FilterExpression.init)
                rules.chains[.init(table, chain)]?.rules.append(expressions ?? [])
            }
        }
        return rules
    }

    /// `enum nft_chain_attributes`: hook 4 (in it the number 1, the priority 2), policy 5, type 7.
    private static func entry(_ chain: AttributeSequence) -> FilterRules.Entry? {
        guard chain.first(7)?.text == "filter", let hook = chain.first(4)?.nested,
            let number = hook.first(1)?.number, let place = FilterRules.Hook(rawValue: number)
        else { return nil }
        let priority = Int32(bitPattern: hook.first(2)?.number ?? 0)
        return FilterRules.Entry(hook: place, priority: priority, drops: chain.first(5)?.number == 0)
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

    /// `enum nft_set_attributes`: table 1, name 2, key length 5.
    private func keyLengths() throws(NetlinkError) -> [FilterRules.Place: Int] {
        var result: [FilterRules.Place: Int] = [:]
        try list(NFTMessage.getSet, family: 0, operation: "list sets") { message in
            guard let family = FilterRules.Family(netfilterNumber: message.family),
                let table = message.attributes.first(1)?.text, let name = message.attributes.first(2)?.text,
                let length = message.attributes.first(5)?.number
            else { return }
            result[.init(.init(family, table), name)] = Int(min(length, 64))
        }
        return result
    }
}

extension FilterRules.Family {
    fileprivate init?(netfilterNumber number: UInt8) {
        switch number {
        case 1: self = .inet
        case 2: self = .ip
        case 10: self = .ip6
        default: return nil
        }
    }

    fileprivate var netfilterNumber: UInt8 {
        switch self {
        case .inet: 1
        case .ip: 2
        case .ip6: 10
        }
    }
}

extension FilterVerdict {
    /// The value of a verdict (`enum nft_verdict_attributes`: code 1, chain 2), in the attribute 2 of the data.
    fileprivate init?(data: AttributeSequence) {
        guard let verdict = data.first(2)?.nested, let code = verdict.first(1)?.number else { return nil }
        let chain = verdict.first(2)?.text ?? ""
        switch Int32(bitPattern: code) {
        case 0: self = .drop
        case 1, 3: self = .accept
        case -3: self = .jump(chain)
        case -4: self = .goto(chain)
        case -5: self = .leave
        // NFT_CONTINUE and NFT_BREAK: the next rule.
        default: return nil
        }
    }
}

extension FilterExpression {
    /// `enum nft_expr_attributes`: name 1, data 2.
    init(_ expression: NetlinkAttribute) {
        let attributes = expression.nested
        let data = attributes.first(2)?.nested ?? AttributeSequence(.init(start: nil, count: 0))
        self = Self.native(attributes.first(1)?.text ?? "", data) ?? .unclear
    }

    private static func native(_ name: String, _ data: AttributeSequence) -> Self? {
        switch name {
        case "counter", "log", "notrack", "objref", "dynset", "last", "quota", "dup", "flow_offload", "ct_helper":
            return .neutral
        case "reject": return .verdict(.drop)
        case "immediate":
            guard let value = data.first(2)?.nested else { return nil }
            if let verdict = FilterVerdict(data: value) { return .verdict(verdict) }
            guard let bytes = value.first(1), let register = register(data, 1) else { return .neutral }
            return .write(Array(bytes.value), into: register)
        case "meta": return meta(data)
        case "ct":
            guard let register = register(data, 1) else { return .neutral }
            let field: Field =
                switch data.first(2)?.number {
                case 0: .state
                case 2: .status
                default: .unknown
                }
            // Whatever else is loaded is at the most two IPv6 addresses long.
            return .load(field, into: register, length: field == .unknown ? 16 : 4)
        case "payload": return payload(data)
        case "cmp":
            guard let register = register(data, 1), let bytes = data.first(3)?.nested.first(1),
                let comparison = data.first(2)?.number.flatMap(Comparison.init)
            else { return nil }
            return .compare(register, comparison, Array(bytes.value))
        case "bitwise":
            guard let source = register(data, 1), let target = register(data, 2), data.first(6)?.number ?? 0 == 0,
                let mask = data.first(4)?.nested.first(1), let toggled = data.first(5)?.nested.first(1),
                mask.value.count == toggled.value.count
            else { return nil }
            return .combine(source, into: target, mask: Array(mask.value), toggled: Array(toggled.value))
        case "range":
            guard let register = register(data, 1), let from = data.first(3)?.nested.first(1),
                let to = data.first(4)?.nested.first(1), from.value.count == to.value.count
            else { return nil }
            return .range(
                register, from: Array(from.value), to: Array(to.value), isInside: data.first(2)?.number ?? 0 == 0)
        case "lookup":
            guard let set = data.first(1)?.text, let source = register(data, 2) else { return nil }
            let target = data.first(3)?.number
            // A map with other data than verdicts loads what is not known.
            if let target, target != 0 { return nil }
            return .lookup(
                set: set, source, isInverted: (data.first(5)?.number ?? 0) & 1 == 1, isVerdict: target == 0)
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
        let key = data.first(2)?.number
        guard let register = register(data, 1) else {
            guard let source = Self.register(data, 3) else { return nil }
            return key == 3 ? .setMarkFrom(source) : .neutral
        }
        switch key {
        case 3: return .load(.mark, into: register, length: 4)
        case 4: return .load(.inputIndex, into: register, length: 4)
        case 5: return .load(.outputIndex, into: register, length: 4)
        case 6: return .load(.inputInterface, into: register, length: 16)
        case 7: return .load(.outputInterface, into: register, length: 16)
        case 15: return .load(.family, into: register, length: 1)
        case 16: return .load(.transport, into: register, length: 1)
        default: return .load(.unknown, into: register, length: 16)
        }
    }

    private static func payload(_ data: AttributeSequence) -> Self? {
        guard let register = register(data, 1) else { return .neutral }
        guard let base = data.first(2)?.number, let offset = data.first(3)?.number,
            let length = data.first(4)?.number, offset < 1 << 16, length <= 64
        else { return nil }
        let field: Field =
            switch base {
            case 1: .network(Int(offset))
            case 2: .header(Int(offset))
            default: .unknown
            }
        return .load(field, into: register, length: Int(length))
    }

    // MARK: iptables

    /// A match of iptables (`enum nft_match_attributes`: name 1, revision 2, info 3, a structure in the host's byte order).
    private static func match(_ data: AttributeSequence) -> Self? {
        guard let name = data.first(1)?.text, let info = data.first(3)?.value else { return nil }
        let revision = data.first(2)?.number ?? 0
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
        let info = data.first(3)?.value
        switch data.first(1)?.text {
        case "REJECT", "DROP": return .verdict(.drop)
        case "ACCEPT": return .verdict(.accept)
        case "MARK":
            // struct xt_mark_tginfo2: mark, mask.
            guard data.first(2)?.number == 2, let info, info.count >= 8 else { return nil }
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
