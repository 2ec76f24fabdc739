import Netfilter
import NetworkTypes

/// The chains of a table. They depend on options and on the largest pool, never on which Services there are.
struct SchemaChains {
    let family: IPFamily
    let options: DataplaneOptions
    let largestExponent: Int
    let timeouts: AffinityTimeouts
    /// Whether a Service asks for direct return: the kernel needs a module for it, and packets a look that they are else spared.
    let returnsDirectly: Bool

    static let frontend = SchemaSets.frontend
    private static let nodePort = SchemaSets.nodePort
    /// The frontend of a packet that begins a flow. `nft` 1.0.6 turns the one byte of `meta l4proto` around before it looks into a
    /// set of ranges, which Linux 7.2 refuses; the flow's protocol is the same number, and is taken as it is.
    private static let begunFrontend: [Selector] = [.destinationAddress, .originalProtocol, .destinationPort]
    static let originalFrontend: [Selector] = [
        .originalDestinationAddress, .originalProtocol, .originalDestinationPort,
    ]
    static let originalNodePort: [Selector] = [.originalProtocol, .originalDestinationPort]
    private static let toNodePortAddress = Statement.lookup([.destinationAddress], in: .nodePortAddresses)
    static let toExternalAddress = Statement.lookup([.destinationAddress], in: .externalAddresses)
    private static let toFrontendAddress = Statement.lookup([.destinationAddress], in: .frontendAddresses)

    /// All chains; each stands after those that it leads to.
    func all() -> [Chain] {
        AffinitySchema.recalls(family) + picks() + [services()] + nodePorts() + external() + [outside()]
            + directTranslation()
            + frontends()
            + [refuse()] + (options.dropsInvalid ? [invalid()] : [])
            + AffinitySchema.remembers(family, timeouts: timeouts)
            + [unservedOutside(), unserved(), uncaptured()] + remaining()
            + [translateOwnSource(), translateServed(), translateExternal(), translateClusterIP(), translateSource()]
            + (options.countsTraffic ? traffic() : []) + directReturn() + guards() + translation() + memories()
            + refusals() + [postrouting()]
    }

    // MARK: Picking an endpoint

    /// The rules that pick a slot of a pool: rejection sampling over 2^exponent slots.
    ///
    /// More than half of the slots are taken, so that eight tries miss with a probability below 1/256. The last rule
    /// always hits: slots 0...2^(exponent-1) exist in every pool of the class. A miss falls through to the next try
    /// because a lookup without a hit ends its rule.
    private func pick(_ kind: PoolKind, exponent: Int) -> Chain {
        let key = kind.isNodePort ? Self.nodePort : Self.frontend
        func attempt(_ modulus: Int) -> Rule {
            [.destinationNAT(key + [.random(modulus: UInt32(modulus))], map: kind.slotsName)]
        }
        let size = 1 << exponent
        let rules =
            size <= 2 ? [attempt(size)] : Array(repeating: attempt(size), count: 8) + [attempt(size / 2 + 1)]
        return Chain(kind.pickName(exponent: exponent), rules: [AffinitySchema.recall(kind)] + rules)
    }

    private func picks() -> [Chain] {
        PoolKind.allCases.flatMap { kind in (0...largestExponent).map { pick(kind, exponent: $0) } }
    }

    private func dispatch(_ kind: PoolKind) -> [Rule] {
        (0...largestExponent).map { exponent in
            [
                .lookup(kind.isNodePort ? Self.nodePort : Self.frontend, set: kind.membersName(exponent: exponent)),
                .goto(kind.pickName(exponent: exponent)),
            ]
        }
    }

    private func services() -> Chain { Chain("services", rules: dispatch(.services)) }

    // A packet that passes while a transaction takes effect can see one set as it was and the next one as it is. So it can miss a pool
    // that moves to a class that was asked before, or draw slots that the pool has no longer. What missed is looked for once more, if it
    // is to a frontend at all: by then everything is as it is.

    private func nodePorts() -> [Chain] {
        [
            Chain("nodeport-pools", rules: dispatch(.nodePorts)),
            Chain(
                "nodeports", comment: "after a match of nodeport-addresses only",
                rules: [
                    [.jump("nodeport-pools")],
                    [.lookup(Self.nodePort, in: .masqueradeExternalNodePorts), .goto("nodeport-pools")],
                    [.lookup(Self.nodePort, in: .externalLocalNodePorts), .goto("nodeport-pools")],
                ]),
        ]
    }

    private let again = "once more: the tables may have changed between two looks"

    /// Where a packet to an external address goes that `services` let through.
    private func servicesAgain() -> [Chain] {
        [
            Chain(
                "external-again", comment: again,
                rules: [
                    [.lookup(Self.frontend, in: .masqueradeExternal), .goto("services")],
                    [.lookup(Self.frontend, in: .externalLocal), .goto("services")],
                ]),
            // A port that the Service has not is another table's to serve, or refused in the end.
            Chain("clusterip-again", comment: again, rules: [[.jump("services")], [Self.noteForeign]]),
        ]
    }

    /// `accept` ends the base chain untranslated, so that the cluster pool is never used; `unserved-outside` drops then. If
    /// another table translates the flow instead, it is that one's.
    private func external() -> [Chain] {
        func local(_ name: String, _ pools: String, _ kind: PoolKind, _ key: [Selector], dropped: SetID) -> [Chain] {
            [
                Chain(pools, rules: dispatch(kind)),
                Chain(
                    name, comment: "the local pool or nothing",
                    rules: [
                        [.jump(pools)], [.lookup(key, in: dropped, negated: true), .jump(pools)], [Self.noteForeign],
                        [.accept],
                    ]),
            ]
        }
        return local("external-local", "local-pools", .localServices, Self.frontend, dropped: .dropOutsideServices)
            + local(
                "external-local-nodeports", "local-nodeport-pools", .localNodePorts, Self.nodePort,
                dropped: .dropOutsideNodePorts)
    }

    /// Says that whoever translates the flow is another table, for as long as a packet may need from one hook to the last.
    private static let noteForeign = Statement.update([.connectionID], map: .foreignFlows, data: [], seconds: 1)

    private func outside() -> Chain {
        Chain(
            "outside", comment: "externalTrafficPolicy Local, seen from outside the cluster",
            rules: [
                [.lookup(Self.frontend, in: .externalLocal), .goto("external-local")],
                [
                    Self.toNodePortAddress, .lookup(Self.nodePort, in: .externalLocalNodePorts),
                    .goto("external-local-nodeports"),
                ],
            ])
    }

    /// What new flows to an address of a frontend meet. Most of these addresses are ClusterIPs, and those have neither source ranges
    /// nor a policy for sources outside.
    private func frontends() -> [Chain] {
        let toClusterIP: Rule = [.lookup([.destinationAddress], in: .clusterIPs), .goto("clusterip-again")]
        func others(_ external: Rule) -> [Rule] {
            [
                [.jump("services")], external + [.jump("external-again")],
                [Self.toNodePortAddress, .goto("nodeports")],
                toClusterIP,
            ]
        }
        return servicesAgain() + [
            Chain(
                "external-addresses",
                comment: "source ranges, and externalTrafficPolicy Local from outside the cluster",
                rules: [Self.outsideRanges] + toDirectTranslation + [isOutside + [.jump("outside")]] + others([])),
            Chain(
                "nodeports-prerouting", comment: "after a match of nodeport-addresses only",
                rules: [
                    isOutside + [
                        .lookup(Self.nodePort, in: .externalLocalNodePorts), .goto("external-local-nodeports"),
                    ], [.goto("nodeports")],
                ]),
            Chain(
                "frontends", comment: "new flows to an address of a frontend",
                rules: [
                    [Self.toExternalAddress, .goto("external-addresses")], [.jump("services")],
                    [Self.toNodePortAddress, .goto("nodeports-prerouting")], toClusterIP,
                ]),
            Chain(
                "own-frontends", comment: "the same for the node's own flows",
                rules: [[Self.toExternalAddress] + Self.outsideRanges]
                    + (options.strictLocal ? [[.jump("outside")]] : [])
                    + others([Self.toExternalAddress])),
        ]
    }

    /// Source ranges hold for the node's own connections, too, and also where there is no endpoint.
    static let outsideRanges: Rule = [
        .lookup(frontend, in: .restricted), .connectionState(.new),
        .lookup(begunFrontend + [.sourceAddress], in: .sourceRanges, negated: true), .counter, .drop,
    ]

    // MARK: Refusing

    private func refuse() -> Chain {
        Chain("refuse", rules: [[.transport(.tcp), .rejectWithReset], [.reject]])
    }

    /// A stray segment of an endpoint would reset its client, a client's would make this node answer in place of the
    /// endpoint: conntrack translates neither. The sets of size classes are not asked: they may count connections.
    private func invalid() -> Chain {
        var rules: [Rule] = [
            [.lookup([.sourceAddress, .transportProtocol, .sourcePort], in: .backends), .drop],
            [.lookup([.destinationAddress], in: .clusterIPs), .drop],
        ]
        let external: [(SetID, nodePorts: SetID)] = [
            (.externalLocal, .externalLocalNodePorts), (.masqueradeExternal, .masqueradeExternalNodePorts),
        ]
        for (addresses, nodePorts) in external {
            rules.append([.lookup(Self.frontend, in: addresses), .drop])
            rules.append([Self.toNodePortAddress, .lookup(Self.nodePort, in: nodePorts), .drop])
        }
        return Chain("invalid", comment: "packets of service traffic that fit no flow", rules: rules)
    }

    /// Packets to an external or load balancer IP on a port that no Service has are forwarded: another host may serve it. If the
    /// router there sends them here again, they come with a smaller TTL than the one that the flow came with, and are refused.
    ///
    /// A flow is forgotten sooner than its TTL, and noted later: so its own packets never pass for returned ones.
    private func uncaptured() -> Chain {
        let (flow, packet): ([Selector], [Selector]) = ([.connectionID], [.connectionID, .hopLimit])
        return Chain(
            "uncaptured", comment: "an external address on a port that no Service has: not twice",
            rules: [
                [.lookup(packet, in: .seenPackets), .accept],
                [.lookup(flow, in: .seenFlows), .goto("refuse")],
                [
                    .update(packet, map: .seenPackets, data: [], seconds: 10),
                    .update(flow, map: .seenFlows, data: [], seconds: 5),
                ],
            ])
    }

    private func unservedOutside() -> Chain {
        Chain(
            "unserved-outside", comment: "Local policy, endpoints only elsewhere",
            rules: [
                [.lookup(Self.frontend, in: .dropOutsideServices), .drop],
                [Self.toNodePortAddress, .lookup(Self.nodePort, in: .dropOutsideNodePorts), .drop],
            ])
    }

    /// What is still addressed to a frontend when every table has had its chance to translate it.
    private func remaining() -> [Chain] {
        let start: [Rule] = [[.connectionStateIsNot(.new), .accept]]
        let strict: [Rule] = options.strictLocal ? [[.jump("unserved-outside")]] : []
        let chains = [
            Chain(
                "remaining", comment: "new flows that nothing has translated",
                rules: start + [
                    isOutside + [.jump("unserved-outside")], [.jump("unserved")],
                    // One that is an address of the node answers for itself.
                    [Self.toExternalAddress, .destinationIsNotLocal, .goto("uncaptured")],
                ]),
            Chain(
                "own-remaining", comment: "the node's own flows that nothing has translated",
                rules: start + strict + [[.goto("unserved")]]),
        ]
        // Nat chains see the first packet of a flow only.
        return chains
            + chains.map { chain in
                Chain(
                    Self.unanswered(chain.name), comment: "further packets of flows that have no answer yet",
                    rules: start + [Self.outsideRanges, [.isDestinationTranslated, .accept], [.goto(chain.name)]])
            }
    }

    private static func unanswered(_ remaining: String) -> String {
        remaining == "remaining" ? "unanswered" : "own-unanswered"
    }

    private func unserved() -> Chain {
        Chain(
            "unserved", comment: "still addressed to a frontend: no endpoint, undefined port, unallocated ClusterIP",
            rules: [
                [.lookup(Self.frontend, in: .rejectServices), .goto("refuse")],
                [.lookup(Self.frontend, in: .dropServices), .drop],
                [.lookup(Self.frontend, in: .dropEmptyServices), .drop],
                [Self.toNodePortAddress, .lookup(Self.nodePort, in: .rejectNodePorts), .goto("refuse")],
                [Self.toNodePortAddress, .lookup(Self.nodePort, in: .dropEmptyNodePorts), .drop],
                [.lookup([.destinationAddress], in: .clusterIPs), .goto("refuse")],
                [.lookup([.destinationAddress], in: .serviceCIDRs), .drop],
            ])
    }

    // MARK: Base chains

    /// Before all other tables, so that a frontend is its Service's, whichever table came first. The kernel runs the nat chains of
    /// a hook one after the other where -100 is: this is their order among themselves, and -199 the first that it allows.
    private static let translationPriority: Int32 = -199

    /// Filter chains see every packet of the node, so these have one rule for packets of flows that have been answered.
    private func guards() -> [Chain] {
        func further(_ chain: String) -> Rule { [.isConfirmed, .goto(Self.unanswered(chain))] }
        let unusual = Chain(
            "unusual", comment: "packets of flows that have no answer yet, or of none",
            rules: toDirectReturn + (options.dropsInvalid ? [[.connectionState(.invalid), .goto("invalid")]] : [])
                + [further("remaining")])
        let begins: Rule = [.connectionStateIsNot(.established)]
        let asksMore = options.dropsInvalid || returnsDirectly
        let incoming = begins + (asksMore ? [.goto("unusual")] : further("remaining"))
        return (asksMore ? [unusual] : []) + [
            Chain(
                "guard-prerouting", hook: Chain.Hook(.filter, .prerouting, priority: -110),
                rules: (servesLocalhost ? [martian] : []) + [incoming]),
            Chain(
                "guard-output", hook: Chain.Hook(.filter, .output, priority: -110),
                rules: [begins + further("own-remaining")]),
        ]
    }

    /// Node ports on 127.0.0.1 exist in IPv4 only: the kernel routes `::1` to no other interface.
    var servesLocalhost: Bool { options.servesLocalhostNodePorts && family == .ipv4 }

    /// With route_localnet a neighbour could send packets to 127.0.0.1 of this node. None has a reason to: answers to
    /// masqueraded connections are still addressed to the node's own address here.
    private var martian: Rule {
        [
            .inputInterface("lo", isPrefix: false, negated: true), .lookup([.destinationAddress], in: .loopback),
            .counter, .drop,
        ]
    }

    /// The match that tells sources outside the cluster.
    private var fromOutside: Statement {
        switch options.localDetector {
        case .clusterCIDRs, .nodeCIDRs: .lookup([.sourceAddress], in: .clusterCIDRs, negated: true)
        case .bridge(let name): .inputInterface(name, isPrefix: false, negated: true)
        case .interfacePrefix(let prefix): .inputInterface(prefix, isPrefix: true, negated: true)
        }
    }

    /// The same after routing. With br_netfilter, what goes from one port of a bridge to another passes postrouting without
    /// an input interface, as the node's own packets do; its source is a neighbour on the bridge.
    var masqueradeFromOutside: [Rule] {
        switch options.localDetector {
        case .clusterCIDRs, .nodeCIDRs: [[fromOutside]]
        case .bridge, .interfacePrefix: [[.hasInputInterface, fromOutside], [.sourceIsLocal]]
        }
    }

    /// The match that tells sources outside the cluster; empty where all are to be treated alike.
    var isOutside: Rule {
        options.strictLocal || !options.localDetector.isActive(family) ? [] : [fromOutside]
    }

    private func translation() -> [Chain] {
        [
            Chain(
                "nat-prerouting", hook: Chain.Hook(.nat, .prerouting, priority: Self.translationPriority),
                rules: [[Self.toFrontendAddress, .goto("frontends")]]),
            Chain(
                "nat-output", hook: Chain.Hook(.nat, .output, priority: Self.translationPriority),
                rules: [[Self.toFrontendAddress, .goto("own-frontends")]]),
        ]
    }

    /// In filter chains, for a translated flow has no further nat chain.
    private func memories() -> [Chain] {
        [Chain.Hook.Point.prerouting, .output].map { point in
            Chain(
                "remember-\(point.name)", hook: Chain.Hook(.filter, point, priority: -95),
                rules: (options.countsTraffic ? [toTraffic(point)] : []) + [AffinitySchema.comesToRemember])
        }
    }

    /// The kernel skips these for flows that a nat chain before them has translated, whichever table it is of.
    private func refusals() -> [Chain] {
        [(Chain.Hook.Point.prerouting, "remaining"), (.output, "own-remaining")].map { point, chain in
            Chain(
                "unserved-\(point.name)", hook: Chain.Hook(.nat, point, priority: -95),
                rules: [
                    [Self.toFrontendAddress, .goto(chain)],
                    [.lookup([.destinationAddress], in: .serviceCIDRs), .connectionState(.new), .drop],
                ])
        }
    }
}

extension TableSchema {
    /// The table of one family: its rules depend on the options and on the size of the largest pool alone.
    ///
    /// - Parameters:
    ///   - largestExponent: the largest size class that there has to be; at least `PoolSize.initialExponent`.
    ///   - timeouts: the affinity timeouts that there has to be a chain for.
    ///   - directReturn: whether a Service asks for direct return.
    public init(
        family: IPFamily, options: DataplaneOptions, largestExponent: Int = PoolSize.initialExponent,
        timeouts: AffinityTimeouts = AffinityTimeouts(), directReturn: Bool = false
    ) {
        self.init(
            family: family, name: options.tableName, comment: "Kubernetes Services, kept by fairlead",
            sets: SchemaSets.all(
                family, options, largestExponent: largestExponent, directReturn: directReturn),
            chains: SchemaChains(
                family: family, options: options, largestExponent: largestExponent, timeouts: timeouts,
                returnsDirectly: directReturn
            ).all(), verdicts: [.timeouts: AffinitySchema.verdicts(timeouts)])
    }
}
