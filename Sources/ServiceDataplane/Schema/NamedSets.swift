import Netfilter

/// The names of the sets that do not belong to a kind of pool (`PoolKind` has those of the others). Declarations and rules both refer
/// to a set by its identity.
extension SetID {
    private static let names: [SetID: String] = [
        .loopback: "loopback",
        .localBackends: "local-backends",
        .externalAddresses: "external-addresses",
        .frontendAddresses: "frontend-addresses",
        .foreignFlows: "foreign-flows",
        .seenFlows: "seen-flows",
        .seenPackets: "seen-packets",
        .restricted: "restricted",
        .sourceRanges: "source-ranges",
        .clusterCIDRs: "cluster-cidrs",
        .serviceCIDRs: "service-cidrs",
        .clusterIPs: "cluster-ips",
        .nodePortAddresses: "nodeport-addresses",
        .hairpin: "hairpin",
        .backends: "backends",
        .externalLocal: "external-local",
        .externalLocalNodePorts: "external-local-nodeports",
        .masqueradeExternal: "masquerade-external",
        .masqueradeExternalNodePorts: "masquerade-external-nodeports",
        .rejectServices: "reject-services",
        .rejectNodePorts: "reject-nodeports",
        .dropServices: "drop-services",
        .dropEmptyServices: "drop-empty-services",
        .dropEmptyNodePorts: "drop-empty-nodeports",
        .dropOutsideServices: "drop-outside-services",
        .dropOutsideNodePorts: "drop-outside-nodeports",
        .stickyTimeouts: "sticky-timeouts",
        .timeouts: "timeouts",
        .flowPools: "flow-pools",
        .flowPriorities: "flow-priorities",
        .affinity: "affinity",
        .affinityPort: "affinity-port",
        .directFrontends: "direct-frontends",
        .directByAddress: "direct-by-address",
        .directKept: "direct-kept",
        .directHere: "direct-here",
        .directTargets: "direct-targets",
        .directOwners: "direct-owners",
        .directEarlier: "direct-earlier",
        .directErrorFrontends: "direct-error-frontends",
        .directErrorsByAddress: "direct-error-by-address",
        .directErrorOwners: "direct-error-owners",
        .directErrorEarlier: "direct-error-earlier",
        .trafficIn: "traffic-in",
        .trafficOut: "traffic-out",
        .nodePortTrafficIn: "nodeport-traffic-in",
        .nodePortTrafficOut: "nodeport-traffic-out",
        .affine: "affine",
        .affineNodePorts: "affine-nodeports",
    ]

    /// The name of the set in the kernel; empty for a set of a `PoolKind`.
    public var name: String { Self.names[self] ?? "" }
}

extension SetDeclaration {
    /// Declares a set under the name that its identity has.
    init(
        _ id: SetID, key: [Selector], data: [Selector] = [], isInterval: Bool = false, isDynamic: Bool = false,
        size: UInt32? = nil, countsPackets: Bool = false, comment: String? = nil
    ) {
        self.init(
            id, id.name, key: key, data: data, isInterval: isInterval, isDynamic: isDynamic, size: size,
            countsPackets: countsPackets, comment: comment)
    }
}

/// Statements that name a set by its identity.
extension Statement {
    static func lookup(_ fields: [Selector], in set: SetID, negated: Bool = false) -> Statement {
        .lookup(fields, set: set.name, negated: negated)
    }

    static func setPriority(_ fields: [Selector], map: SetID) -> Statement { .setPriority(fields, map: map.name) }

    static func duplicate(_ fields: [Selector], map: SetID) -> Statement { .duplicate(fields, map: map.name) }

    static func dispatch(_ fields: [Selector], map: SetID) -> Statement { .dispatch(fields, map: map.name) }

    static func update(_ key: [Selector], map: SetID, data: [Selector], seconds: Int) -> Statement {
        .update(key, map: map.name, data: data, seconds: seconds)
    }

    static func destinationNATFromTwo(_ fields: [Selector], addresses: SetID, ports: SetID) -> Statement {
        .destinationNATFromTwo(fields, addresses: addresses.name, ports: ports.name)
    }

    static func destinationNAT(_ fields: [Selector], map: SetID) -> Statement {
        .destinationNAT(fields, map: map.name)
    }
}
