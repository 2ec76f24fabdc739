import Netfilter
import ServiceDataplane

/// Why the rules keep a packet from a Service.
public enum RefusalCause: String, Hashable, Sendable, CaseIterable {
    /// No endpoint anywhere is ready, or serves while it terminates.
    case noEndpoint
    /// `internalTrafficPolicy` Local, and usable endpoints on other nodes only.
    case internalLocal
    /// `externalTrafficPolicy` Local, and usable endpoints on other nodes only.
    case externalLocal
    /// The ClusterIP is live and has no such port.
    case undefinedPort
    /// No Service has the address, which is in a ServiceCIDR.
    case unallocatedClusterIP
    /// The source is in none of `loadBalancerSourceRanges`.
    case outsideSourceRanges
    /// An external or load balancer IP on a port that no Service has; the packet has been here before and came back.
    case uncapturedPort
    /// 127.0.0.0/8 of this node, from elsewhere.
    case loopbackFromElsewhere
    /// Conntrack calls the packet INVALID, and it belongs to a Service.
    case invalid
    /// A rule that says nothing of these.
    case other

    /// Reads the cause from the rules that the packet matched.
    ///
    /// - Parameter schema: the table that the rules are of.
    public init(_ trace: [TraceStep], _ schema: TableSchema) {
        let known = trace.reversed().lazy.compactMap { Self.cause(of: $0.rule, schema) }.first
        let isInvalid = trace.contains { $0.rule.contains(.connectionState(.invalid)) }
        self = isInvalid ? .invalid : known ?? .other
    }

    private static func cause(of rule: Rule, _ schema: TableSchema) -> RefusalCause? {
        let sets = rule.sets(schema)
        for set in sets.reversed() {
            switch set {
            case .rejectServices, .rejectNodePorts, .dropEmptyServices, .dropEmptyNodePorts: return .noEndpoint
            case .dropServices: return .internalLocal
            case .dropOutsideServices, .dropOutsideNodePorts: return .externalLocal
            case .clusterIPs: return .undefinedPort
            case .serviceCIDRs: return .unallocatedClusterIP
            case .sourceRanges: return .outsideSourceRanges
            case .loopback: return .loopbackFromElsewhere
            case .seenFlows: return .uncapturedPort
            default: continue
            }
        }
        return nil
    }
}

/// Why the source of a connection is replaced by an address of the node.
public enum MasqueradeCause: String, Hashable, Sendable, CaseIterable {
    /// A pod that reaches itself: it would answer itself directly, past conntrack.
    case hairpin
    /// From outside the cluster to a ClusterIP.
    case clusterIPFromOutside
    /// `--masquerade-all`.
    case masqueradeAll
    /// `externalTrafficPolicy` Cluster.
    case externalCluster
    /// The node itself, to a frontend with `externalTrafficPolicy` Local.
    case nodeItself
    /// From 127.0.0.0/8, which other hosts cannot answer.
    case loopback
    /// A rule that says nothing of these.
    case other

    /// Reads the cause from the rule that masquerades, and from the last one that led to its chain.
    ///
    /// - Parameter trace: the rules that the packet matched.
    public init(_ step: TraceStep, in trace: [TraceStep], _ schema: TableSchema, _ options: DataplaneOptions) {
        let entry = trace.last { $0.rule.last == .goto(step.chain) }
        let sets = (entry?.rule.sets(schema) ?? []) + step.rule.sets(schema)
        let causes = sets.compactMap { set -> MasqueradeCause? in
            switch set {
            case .hairpin: .hairpin
            case .clusterIPs: options.masqueradeAll ? .masqueradeAll : .clusterIPFromOutside
            case .masqueradeExternal, .masqueradeExternalNodePorts: .externalCluster
            case .externalLocal, .externalLocalNodePorts: .nodeItself
            case .loopback: .loopback
            default: nil
            }
        }
        self = causes.first ?? .other
    }
}

extension [Statement] {
    /// The sets that the rule looks into, in their order.
    fileprivate func sets(_ schema: TableSchema) -> [SetID] {
        compactMap { statement in
            if case .lookup(_, let name, _) = statement { schema.declaration(named: name)?.id } else { nil }
        }
    }
}
