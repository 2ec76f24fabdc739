import Netfilter
import NetworkTypes

/// The sets and maps of a table. Everything per Service is an element of one of them.
enum SchemaSets {
    static let frontend: [Selector] = [.destinationAddress, .transportProtocol, .destinationPort]
    /// The frontend of the flow that an ICMP error is about, as its answers have it.
    static let embeddedFrontend: [Selector] = [.destinationAddress, .embeddedProtocol, .embeddedSourcePort]
    static let nodePort: [Selector] = [.transportProtocol, .destinationPort]

    static func all(
        _ family: IPFamily, _ options: DataplaneOptions, largestExponent: Int, directReturn: Bool
    ) -> [SetDeclaration] {
        nodeSets + [frontendAddresses, externalAddresses] + notes
            + (options.servesLocalhostNodePorts && family == .ipv4 ? [loopback] : [])
            + policySets + rangeSets
            + (options.preservesLocalSource ? [localBackends] : []) + verdictSets
            + (options.countsTraffic ? trafficSets : [])
            + (directReturn ? DirectReturnSets.all : []) + PoolKind.allCases.map(slots) + AffinitySchema.sets(family)
            + PoolKind.allCases.flatMap { kind in
                (0...largestExponent).map {
                    members(kind, exponent: $0, countsPackets: options.countsConnections)
                }
            }
    }

    private static let loopback = SetDeclaration(
        .loopback, key: [.sourceAddress], isInterval: true, comment: "never from another host")

    private static let localBackends = SetDeclaration(
        .localBackends, key: frontend, comment: "every usable endpoint of this node")

    private static let frontendAddresses = SetDeclaration(
        .frontendAddresses, key: [.destinationAddress],
        comment: "every address of a frontend: what goes elsewhere is left alone")

    private static let externalAddresses = SetDeclaration(
        .externalAddresses, key: [.destinationAddress],
        comment: "external and load balancer IPs, of which only ports are served")

    /// What packets leave for the next hook, or for when they come back.
    private static let notes: [SetDeclaration] = [
        SetDeclaration(
            .foreignFlows, key: [.connectionID], isDynamic: true, size: 262_144,
            comment: "flow that begins, not translated here"),
        SetDeclaration(
            .seenFlows, key: [.connectionID], isDynamic: true, size: 65_536,
            comment: "flow to an external address, on a port that no Service has"),
        SetDeclaration(
            .seenPackets, key: [.connectionID, .hopLimit], isDynamic: true, size: 65_536,
            comment: "such a flow, and the TTL of its packets"),
    ]

    private static let rangeSets: [SetDeclaration] = [
        SetDeclaration(.restricted, key: frontend, comment: "loadBalancerSourceRanges"),
        SetDeclaration(
            .sourceRanges, key: frontend + [.sourceAddress], isInterval: true,
            comment: "their ranges"),
    ]

    private static let nodeSets: [SetDeclaration] = [
        SetDeclaration(
            .clusterCIDRs, key: [.sourceAddress], isInterval: true,
            comment: "sources in the cluster"),
        SetDeclaration(
            .serviceCIDRs, key: [.destinationAddress], isInterval: true,
            comment: "where ClusterIPs are allocated from"),
        SetDeclaration(.clusterIPs, key: [.destinationAddress], comment: "every live ClusterIP"),
        SetDeclaration(
            .nodePortAddresses, key: [.destinationAddress],
            comment: "addresses of this node that accept node ports"),
        SetDeclaration(
            .hairpin, key: [.sourceAddress, .destinationAddress],
            comment: "endpoints that call themselves"),
        SetDeclaration(
            .backends, key: [.sourceAddress, .transportProtocol, .sourcePort],
            comment: "every usable endpoint"),
    ]

    private static let policySets: [SetDeclaration] = [
        SetDeclaration(.externalLocal, key: frontend, comment: "externalTrafficPolicy Local"),
        SetDeclaration(
            .externalLocalNodePorts, key: nodePort, comment: "externalTrafficPolicy Local"),
        SetDeclaration(
            .masqueradeExternal, key: frontend, comment: "externalTrafficPolicy Cluster"),
        SetDeclaration(
            .masqueradeExternalNodePorts, key: nodePort,
            comment: "externalTrafficPolicy Cluster"),
    ]

    private static let verdictSets: [SetDeclaration] = [
        SetDeclaration(
            .rejectServices, key: frontend, countsPackets: true, comment: "no usable endpoint"),
        SetDeclaration(
            .rejectNodePorts, key: nodePort, countsPackets: true, comment: "no usable endpoint"),
        SetDeclaration(
            .dropEmptyServices, key: frontend, countsPackets: true,
            comment: "no usable endpoint, and no answer asked for"),
        SetDeclaration(
            .dropEmptyNodePorts, key: nodePort, countsPackets: true,
            comment: "no usable endpoint, and no answer asked for"),
        SetDeclaration(
            .dropServices, key: frontend, countsPackets: true,
            comment: "internalTrafficPolicy Local, endpoints only elsewhere"),
        SetDeclaration(
            .dropOutsideServices, key: frontend, countsPackets: true,
            comment: "externalTrafficPolicy Local, endpoints only elsewhere"),
        SetDeclaration(
            .dropOutsideNodePorts, key: nodePort, countsPackets: true,
            comment: "externalTrafficPolicy Local, endpoints only elsewhere"),
    ]

    private static let trafficSets: [SetDeclaration] = [
        SetDeclaration(.trafficIn, key: frontend, countsPackets: true, comment: "what clients send"),
        SetDeclaration(.trafficOut, key: frontend, countsPackets: true, comment: "what endpoints answer"),
        SetDeclaration(.nodePortTrafficIn, key: nodePort, countsPackets: true, comment: "what clients send"),
        SetDeclaration(.nodePortTrafficOut, key: nodePort, countsPackets: true, comment: "what endpoints answer"),
    ]

    /// The modulus is only how `nft` shows a slot number; rules use their own.
    private static func slots(_ kind: PoolKind) -> SetDeclaration {
        SetDeclaration(
            kind.slots, kind.slotsName,
            key: (kind.isNodePort ? nodePort : frontend) + [.random(modulus: UInt32(PoolSize.capacity))],
            data: [.destinationAddress, .destinationPort], comment: "frontend and slot: endpoint")
    }

    private static func members(_ kind: PoolKind, exponent: Int, countsPackets: Bool) -> SetDeclaration {
        let size = 1 << exponent
        let range = size <= 2 ? "\(size)" : "\(size / 2 + 1) to \(size)"
        return SetDeclaration(
            kind.members(exponent: exponent), kind.membersName(exponent: exponent),
            key: kind.isNodePort ? nodePort : frontend, countsPackets: countsPackets,
            comment: "frontends with \(range) endpoints")
    }
}
