import NetworkTypes

/// Walks a packet that is thought of through other programs' chains, and says which of them would drop it.
///
/// What cannot be judged may match or not: a chain counts as dropping only if no way through it accepts.
public struct FilterWalk {
    /// What a set says of a key.
    public enum Answer: Hashable, Sendable {
        /// It does not have it.
        case absent
        /// It has it; what its verdict is, if it is a map of verdicts.
        case present(FilterVerdict?)
        /// That cannot be told.
        case unknown
    }

    /// A chain that drops the packet.
    public struct Obstacle: Hashable, Sendable, CustomStringConvertible {
        /// The base chain.
        public var place: FilterRules.Place
        /// Where it is.
        public var hook: FilterRules.Hook
        /// Whether it is the policy that drops; else it is a rule.
        public var isPolicy: Bool

        /// A chain that drops.
        public init(place: FilterRules.Place, hook: FilterRules.Hook, isPolicy: Bool) {
            (self.place, self.hook, self.isPolicy) = (place, hook, isPolicy)
        }

        /// `table ip filter, chain FORWARD (policy drop)`.
        public var description: String { "\(place) (\(isPolicy ? "policy drop" : "a rule that drops the rest"))" }
    }

    /// Asks a set: a table, the name, and what gives so many bytes of the key, nil if they are not all known.
    public typealias Lookup = (FilterRules.Table, String, (Int) -> [UInt8]?) -> Answer

    private let rules: FilterRules
    private let lookup: Lookup

    /// - Parameters:
    ///   - rules: the chains.
    ///   - lookup: asks a set.
    public init(_ rules: FilterRules, lookup: @escaping Lookup = { _, _, _ in .unknown }) {
        (self.rules, self.lookup) = (rules, lookup)
    }

    /// The base chains of a hook that would drop the packet, in the order in which it meets them.
    ///
    /// - Parameter priorities: which chains it is about.
    public func obstacles(
        to packet: FilterPacket, at hook: FilterRules.Hook, priorities: ClosedRange<Int32> = .min ... .max
    ) -> [Obstacle] {
        let chains = rules.chains.filter { place, chain in
            chain.entry?.hook == hook && place.table.family.includes(packet.destination.family)
                && chain.entry.map { priorities.contains($0.priority) } ?? false
        }
        let sorted = chains.sorted {
            ($0.value.entry?.priority ?? 0, "\($0.key)") < ($1.value.entry?.priority ?? 0, "\($1.key)")
        }
        return sorted.compactMap { place, chain in
            var walker = Walker(packet, rules: rules, table: place.table, lookup: lookup)
            var outcomes = walker.outcomes(of: chain, depth: 0)
            let isPolicy = outcomes.contains(.leave) && chain.entry?.drops == true
            if outcomes.remove(.leave) != nil { outcomes.insert(chain.entry?.drops == true ? .drop : .accept) }
            guard !outcomes.contains(.accept), outcomes.contains(.drop) else { return nil }
            return Obstacle(place: place, hook: hook, isPolicy: isPolicy)
        }
    }
}

/// Bytes of which some bits are not known.
private struct PartlyKnown {
    var values: [UInt8]
    var known: [UInt8]

    static func unknown(_ count: Int) -> Self {
        .init(values: .init(repeating: 0, count: count), known: .init(repeating: 0, count: count))
    }

    init(values: [UInt8], known: [UInt8]) { (self.values, self.known) = (values, known) }

    init(_ values: [UInt8]) { self.init(values: values, known: .init(repeating: 0xFF, count: values.count)) }

    /// A number in the host's byte order.
    init(host number: UInt32, known: UInt32 = .max) {
        self.init(
            values: withUnsafeBytes(of: number) { Array($0) }, known: withUnsafeBytes(of: known) { Array($0) })
    }

    subscript(_ range: Range<Int>) -> PartlyKnown {
        guard range.upperBound <= values.count else { return .unknown(range.count) }
        return .init(values: Array(values[range]), known: Array(known[range]))
    }

    mutating func replace(at start: Int, _ part: PartlyKnown) {
        for (index, value) in part.values.enumerated() where start + index < values.count {
            (values[start + index], known[start + index]) = (value, part.known[index])
        }
    }

    var whole: [UInt8]? { known.allSatisfy { $0 == 0xFF } ? values : nil }
}

/// The walk through one base chain.
private struct Walker {
    enum Outcome: Hashable { case accept, drop, leave }
    enum Match { case yes, no, maybe }

    private static let registerBytes = 64
    /// The kernel allows no deeper jumps.
    private static let depthLimit = 16

    let packet: FilterPacket
    let rules: FilterRules
    let table: FilterRules.Table
    let lookup: FilterWalk.Lookup
    private var registers = PartlyKnown.unknown(registerBytes)
    private var mark = PartlyKnown(host: 0)

    init(
        _ packet: FilterPacket, rules: FilterRules, table: FilterRules.Table, lookup: @escaping FilterWalk.Lookup
    ) {
        (self.packet, self.rules, self.table, self.lookup) = (packet, rules, table, lookup)
    }

    /// How the chain may end for the packet.
    mutating func outcomes(of chain: FilterRules.Chain, depth: Int) -> Set<Outcome> {
        guard depth < Self.depthLimit else { return [.accept, .leave] }
        var result: Set<Outcome> = []
        for rule in chain.rules {
            let markBefore = mark
            let (match, verdict) = evaluate(rule)
            if match == .maybe, mark.values != markBefore.values { mark = .unknown(4) }
            guard match != .no, let verdict else { continue }
            let (ends, goesOn) = follow(verdict, depth)
            switch match {
            case .no: continue
            case .maybe: result.formUnion(ends)
            case .yes:
                result.formUnion(ends)
                if !goesOn { return result }
            }
        }
        return result.union([.leave])
    }

    /// How a verdict may end this chain, and whether the next rule may come all the same.
    private mutating func follow(_ verdict: FilterVerdict, _ depth: Int) -> (ends: Set<Outcome>, goesOn: Bool) {
        switch verdict {
        case .accept: return ([.accept], false)
        case .drop: return ([.drop], false)
        case .leave: return ([.leave], false)
        case .jump(let name):
            guard let chain = rules.chains[.init(table, name)] else { return ([.accept], true) }
            let outcomes = outcomes(of: chain, depth: depth + 1)
            return (outcomes.subtracting([.leave]), outcomes.contains(.leave))
        case .goto(let name):
            guard let chain = rules.chains[.init(table, name)] else { return ([.accept], true) }
            return (outcomes(of: chain, depth: depth + 1), false)
        }
    }

    /// Whether a rule matches, and what it decides then.
    private mutating func evaluate(_ rule: [FilterExpression]) -> (Match, FilterVerdict?) {
        var result = Match.yes
        var verdict: FilterVerdict?
        registers = .unknown(Self.registerBytes)
        for expression in rule {
            let match = step(expression, &verdict)
            if match == .no { return (.no, nil) }
            if match == .maybe { result = .maybe }
            if verdict != nil { break }
        }
        return (result, verdict)
    }

    private mutating func step(_ expression: FilterExpression, _ verdict: inout FilterVerdict?) -> Match {
        switch expression {
        case .neutral: return .yes
        case .unclear:
            registers = .unknown(Self.registerBytes)
            return .maybe
        case .load(let field, let register, let length): registers.replace(at: register, value(field, length))
        case .write(let bytes, let register): registers.replace(at: register, PartlyKnown(bytes))
        case .setMarkFrom(let register): mark = registers[register..<register + 4]
        case .setMark(let value, let mask):
            let before = number(mark)
            mark = before.map { PartlyKnown(host: $0 & ~mask ^ value) } ?? .unknown(4)
        case .combine(let source, let target, let mask, let toggled):
            var part = registers[source..<source + mask.count]
            for index in mask.indices {
                part.known[index] |= ~mask[index]
                part.values[index] = part.values[index] & mask[index] ^ toggled[index]
            }
            registers.replace(at: target, part)
        case .compare(let register, let comparison, let bytes):
            return compare(registers[register..<register + bytes.count], comparison, bytes)
        case .range(let register, let from, let to, let isInside):
            guard let bytes = registers[register..<register + from.count].whole else { return .maybe }
            let isWithin = !bytes.lexicographicallyPrecedes(from) && !to.lexicographicallyPrecedes(bytes)
            return isWithin == isInside ? .yes : .no
        case .lookup(let set, let register, let isInverted, let isVerdict):
            let answer = lookup(table, set) { [registers] count in registers[register..<register + count].whole }
            switch answer {
            case .unknown:
                if isVerdict { verdict = .accept }
                return .maybe
            case .absent: return isInverted ? .yes : .no
            case .present(let found):
                if isVerdict { verdict = found }
                return isInverted ? .no : .yes
            }
        case .connection(let states, let isInverted):
            return (states & connectionState != 0) != isInverted ? .yes : .no
        case .ports(let ranges, let transport, let isInverted):
            if let transport, transport != packet.transport { return .no }
            guard let port = packet.port else { return .maybe }
            return ranges.contains { $0.contains(port) } != isInverted ? .yes : .no
        case .mark(let value, let mask, let isInverted):
            guard let mark = number(mark) else { return .maybe }
            return (mark & mask == value) != isInverted ? .yes : .no
        case .verdict(let decided): verdict = decided
        }
        return .yes
    }

    private func number(_ part: PartlyKnown) -> UInt32? {
        part.whole.flatMap { bytes in
            bytes.count == 4 ? bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) } : nil
        }
    }

    private func compare(_ part: PartlyKnown, _ comparison: FilterExpression.Comparison, _ bytes: [UInt8]) -> Match {
        switch comparison {
        case .equal, .notEqual:
            let differs = bytes.indices.contains { (part.values[$0] ^ bytes[$0]) & part.known[$0] != 0 }
            if differs { return comparison == .equal ? .no : .yes }
            if part.whole == nil { return .maybe }
            return comparison == .equal ? .yes : .no
        case .less, .lessOrEqual, .greater, .greaterOrEqual:
            guard let values = part.whole else { return .maybe }
            let holds =
                switch comparison {
                case .less: values.lexicographicallyPrecedes(bytes)
                case .greaterOrEqual: !values.lexicographicallyPrecedes(bytes)
                case .greater: bytes.lexicographicallyPrecedes(values)
                default: !bytes.lexicographicallyPrecedes(values)
                }
            return holds ? .yes : .no
        }
    }

    // MARK: Fields

    /// `IP_CT_NEW` as the state of a connection.
    private static let new: UInt32 = 8
    /// `IPS_DST_NAT`, and the bits that are known before the connection is confirmed: seen a reply, assured, source translated.
    private static let translated: UInt32 = 32
    private static let knownStatus: UInt32 = 2 | 4 | 32
    /// iptables' own bit for connections whose destination was translated.
    private static let iptablesTranslated: UInt16 = 128

    private var connectionState: UInt16 {
        UInt16(Self.new) | (packet.isTranslated ? Self.iptablesTranslated : 0)
    }

    private func value(_ field: FilterExpression.Field, _ length: Int) -> PartlyKnown {
        let family = packet.destination.family
        let value: PartlyKnown
        switch field {
        case .unknown: value = .unknown(length)
        case .inputInterface: value = Self.name(packet.input?.name)
        case .outputInterface: value = Self.name(packet.output?.name)
        case .inputIndex: value = packet.input?.index.map { PartlyKnown(host: $0) } ?? .unknown(4)
        case .outputIndex: value = packet.output?.index.map { PartlyKnown(host: $0) } ?? .unknown(4)
        case .family: value = PartlyKnown([family == .ipv4 ? 2 : 10, 0, 0, 0])
        case .transport: value = PartlyKnown([packet.transport.rawValue, 0, 0, 0])
        case .mark: value = mark
        case .state: value = PartlyKnown(host: Self.new)
        case .status:
            value = PartlyKnown(host: packet.isTranslated ? Self.translated : 0, known: Self.knownStatus)
        case .network(let offset): value = networkHeader[offset..<offset + length]
        case .header(let offset): value = transportHeader[offset..<offset + length]
        }
        var padded = PartlyKnown.unknown(length)
        padded.replace(at: 0, value)
        return padded
    }

    private static func name(_ interface: String?) -> PartlyKnown {
        guard let interface else { return .unknown(16) }
        let bytes = Array(interface.utf8.prefix(15))
        return PartlyKnown(bytes + Array(repeating: 0, count: 16 - bytes.count))
    }

    private var networkHeader: PartlyKnown {
        let isIPv4 = packet.destination.family == .ipv4
        var header = PartlyKnown.unknown(isIPv4 ? 20 : 40)
        header.replace(at: 0, .init(values: [isIPv4 ? 0x40 : 0x60], known: [0xF0]))
        header.replace(at: isIPv4 ? 9 : 6, PartlyKnown([packet.transport.rawValue]))
        if packet.source.family == packet.destination.family {
            header.replace(at: isIPv4 ? 12 : 8, PartlyKnown(packet.source.networkBytes))
        }
        header.replace(at: isIPv4 ? 16 : 24, PartlyKnown(packet.destination.networkBytes))
        return header
    }

    private var transportHeader: PartlyKnown {
        var header = PartlyKnown.unknown(20)
        if let port = packet.port {
            header.replace(at: 2, PartlyKnown([UInt8(port >> 8), UInt8(port & 0xFF)]))
        }
        // The flags of the first packet of a TCP connection: SYN.
        if packet.transport == .tcp { header.replace(at: 13, .init(values: [0x02], known: [0x3F])) }
        return header
    }
}
