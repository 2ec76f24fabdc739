import Netfilter
import NetworkTypes

extension TableSchema {
    /// The maps in which the packet path remembers clients: one, or for IPv6 two with the same keys.
    public var clientMemories: [SetDeclaration] { sets.filter { $0.id == .affinity || $0.id == .affinityPort } }
}

/// The sets and chains of ClientIP affinity.
///
/// A pool with affinity has a number. The number travels in the packet's priority from the rule that finds the frontend to
/// the one, five steps later in the same hook, that remembers which endpoint the client got and gives the packet back the
/// priority that it had. What is remembered is keyed by client, protocol and pool: all frontends of a Service port share it.
///
/// How long is part of a rule. So each timeout has a chain, and a map of verdicts leads from its seconds to the chain: a packet
/// passes one of them, however many there are, and one without affinity passes none.
enum AffinitySchema {
    /// Room for the clients of all pools. The kernel refuses more, and those clients are spread without affinity.
    private static let capacity: UInt32 = 262_144
    /// How long what is noted of a packet outlives it; it takes microseconds from the first hook to the last.
    private static let noteSeconds = 1

    /// The first number of a pool; `nft` shows it as `fa1e:1`. Other programs' priorities are small.
    static let firstPool: UInt32 = 0xFA1E_0001

    /// What all numbers of pools have set from the first one on, and priorities of others as a rule have not.
    private static let poolBits: UInt32 = 0xF800_0000

    /// Has packets with the number of a pool remembered, and no others: a flow may have further packets without an answer, and
    /// what is noted of it is not theirs.
    static let comesToRemember: Rule = [.priorityHasBits(poolBits), .connectionState(.new), .goto("remember")]

    /// The name of the chain that remembers for so many seconds.
    static func chainName(_ seconds: Int) -> String { "\(chainPrefix)\(seconds)" }

    /// What the names of those chains begin with. (No other chain has digits after it.)
    static let chainPrefix = "remember-"

    private static let flow: [Selector] = [.connectionID]

    // MARK: Sets

    static func sets(_ family: IPFamily) -> [SetDeclaration] {
        let frontends = [
            SetDeclaration(
                .affine, key: SchemaSets.frontend, comment: "frontends with affinity"),
            SetDeclaration(
                .affineNodePorts, key: SchemaSets.nodePort,
                comment: "frontends with affinity"),
        ]
        let maps = PoolKind.allCases.map { kind in
            SetDeclaration(
                kind.sticky, kind.stickyName, key: kind.isNodePort ? SchemaSets.nodePort : SchemaSets.frontend,
                data: [.priority], comment: "frontend: pool with affinity")
        }
        let timeouts = [
            SetDeclaration(
                .stickyTimeouts, key: [.priority], data: [.priority],
                comment: "pool with affinity: its timeout in seconds"),
            SetDeclaration(
                .timeouts, key: [.priority], data: [.chain(prefix: chainPrefix)],
                comment: "seconds: what remembers for so long"),
        ]
        return frontends + maps + timeouts + notes + memories(family)
    }

    /// What is noted of a packet from one hook to the next.
    private static let notes = [
        SetDeclaration(
            .flowPools, key: flow, data: [.priority], isDynamic: true, size: capacity,
            comment: "flow that begins: its pool"),
        SetDeclaration(
            .flowPriorities, key: flow, data: [.priority], isDynamic: true, size: capacity,
            comment: "flow that begins: the priority of its packet"),
    ]

    /// `nft` 1.0.6 can neither write nor read a map that packets fill and whose key or data has more than 16 bytes. So IPv6
    /// clients are told apart by a hash of 64 bits (two clients with the same one would share an endpoint), and address and
    /// port of the endpoint are two maps.
    private static func memories(_ family: IPFamily) -> [SetDeclaration] {
        func memory(_ id: SetID, _ key: [Selector], _ data: [Selector]) -> SetDeclaration {
            SetDeclaration(
                id, key: key, data: data, isDynamic: true, size: capacity, comment: "client and pool: endpoint")
        }
        if family == .ipv4 {
            let key: [Selector] = [.sourceAddress, .transportProtocol, .priority]
            return [memory(.affinity, key, [.destinationAddress, .destinationPort])]
        }
        let half = Selector.random(modulus: UInt32(PoolSize.capacity))
        let key: [Selector] = [half, half, .transportProtocol, .priority]
        return [
            memory(.affinity, key, [.destinationAddress]),
            memory(.affinityPort, key, [.destinationPort]),
        ]
    }

    /// The elements of the map of verdicts.
    static func verdicts(_ timeouts: AffinityTimeouts) -> [Element] {
        timeouts.all.map { seconds in
            var number = KeyBuilder()
            number.append(priority: UInt32(seconds))
            return Element(number.key, data: number.key)
        }
    }

    // MARK: Chains

    private static func key(_ family: IPFamily) -> [Selector] {
        family == .ipv4
            ? [.sourceAddress, .transportProtocol, .priority]
            : [.hashedSourceAddress(seed: 1), .hashedSourceAddress(seed: 2), .transportProtocol, .priority]
    }

    /// Has packets to frontends with affinity ask for their client, and come back if nothing is remembered of it. Not those that
    /// conntrack calls RELATED: no rule would take the number off them.
    static func recall(_ kind: PoolKind) -> Rule {
        let frontend = kind.isNodePort ? SchemaSets.nodePort : SchemaSets.frontend
        return [
            .lookup(frontend, in: kind.isNodePort ? .affineNodePorts : .affine), .connectionState(.new),
            .jump(recallName(kind)),
        ]
    }

    private static func recallName(_ kind: PoolKind) -> String { "recall-\(kind.name)" }

    /// The chains that send a client where it was sent last. Without a memory the rule ends, and the chain.
    static func recalls(_ family: IPFamily) -> [Chain] {
        PoolKind.allCases.map { kind in
            let frontend = kind.isNodePort ? SchemaSets.nodePort : SchemaSets.frontend
            let translate: Statement =
                family == .ipv4
                ? .destinationNAT(key(family), map: .affinity)
                : .destinationNATFromTwo(key(family), addresses: .affinity, ports: .affinityPort)
            return Chain(
                recallName(kind), comment: "where a client of a pool with affinity was sent last",
                rules: [
                    [.hasPriority, note(.flowPriorities)],
                    [.setPriority(frontend, map: kind.stickyName), note(.flowPools)],
                    [translate],
                ])
        }
    }

    private static func note(_ map: SetID) -> Statement {
        .update(flow, map: map, data: [.priority], seconds: noteSeconds)
    }

    /// The chains that remember, each after those that it leads to. Packets with the number of a pool come to the last one.
    ///
    /// What a rule notes may find no room, and a rule ends there: so what undoes it stands in rules of its own.
    static func remembers(_ family: IPFamily, timeouts: AffinityTimeouts) -> [Chain] {
        let restore = Chain(
            "restore-priority", comment: "as the packet had it before the number of a pool",
            rules: [[.resetPriority], [.setPriority(flow, map: .flowPriorities)]])
        let chains = timeouts.all.map { seconds in
            Chain(chainName(seconds), rules: [remember(family, seconds: seconds), [.goto(restore.name)]])
        }
        let dispatch = Chain(
            "remember-pool", comment: "the seconds of the pool lead to what remembers for so long",
            rules: [
                [.setPriority([.priority], map: .stickyTimeouts), .dispatch([.priority], map: .timeouts)],
                [.goto(restore.name)],
            ])
        return [restore] + chains + [
            dispatch,
            Chain(
                "remember", comment: "which endpoint a client of a pool with affinity got",
                rules: [
                    [.setPriority(flow, map: .flowPools), .goto(dispatch.name)],
                    [.setPriority([.priority], map: .stickyTimeouts), .goto(restore.name)],
                ]),
        ]
    }

    /// An endpoint that is gone, or what another table made of the packet, is not remembered.
    private static func remember(_ family: IPFamily, seconds: Int) -> Rule {
        let number = Statement.setPriority(flow, map: .flowPools)
        let endpoint = Statement.lookup(SchemaSets.frontend, in: .backends)
        if family == .ipv4 {
            let data: [Selector] = [.destinationAddress, .destinationPort]
            return [number, endpoint, .update(key(family), map: .affinity, data: data, seconds: seconds)]
        }
        return [
            number, endpoint,
            .update(key(family), map: .affinity, data: [.destinationAddress], seconds: seconds),
            .update(key(family), map: .affinityPort, data: [.destinationPort], seconds: seconds),
        ]
    }
}
