import Netfilter
import NetworkTypes

/// Which kind of source a pool serves, and whether its frontends are addresses or node ports.
///
/// Each kind has one map of slots, a set of frontends per size class, and a chain per size class.
public enum PoolKind: UInt16, CaseIterable, Hashable, Sendable {
    /// Address frontends, any source.
    case services
    /// Address frontends under external Local policy, sources outside the cluster.
    case localServices
    /// Node ports, any source.
    case nodePorts
    /// Node ports under external Local policy, sources outside the cluster.
    case localNodePorts

    /// The name that sets and chains are made of.
    public var name: String {
        switch self {
        case .services: "services"
        case .localServices: "local-services"
        case .nodePorts: "nodeports"
        case .localNodePorts: "local-nodeports"
        }
    }

    /// Whether frontends are keyed by protocol and port alone.
    public var isNodePort: Bool { self == .nodePorts || self == .localNodePorts }

    /// The map from frontend and slot to endpoint.
    public var slots: SetID {
        switch self {
        case .services: .endpoints
        case .localServices: .localEndpoints
        case .nodePorts: .nodePortEndpoints
        case .localNodePorts: .localNodePortEndpoints
        }
    }

    /// The name of that map.
    public var slotsName: String {
        switch self {
        case .services: "endpoints"
        case .localServices: "local-endpoints"
        case .nodePorts: "nodeport-endpoints"
        case .localNodePorts: "local-nodeport-endpoints"
        }
    }

    /// The map from frontend to the number of its pool, for frontends with ClientIP affinity.
    public var sticky: SetID { SetID(SetID.firstSticky.rawValue + rawValue) }

    /// The name of that map.
    public var stickyName: String {
        switch self {
        case .services: "sticky"
        case .localServices: "sticky-local"
        case .nodePorts: "sticky-nodeports"
        case .localNodePorts: "sticky-local-nodeports"
        }
    }

    /// The set of the frontends whose pool has more than half of, and at the most, 2^exponent members.
    public func members(exponent: Int) -> SetID { SetID(32 + rawValue * 32 + UInt16(exponent)) }

    /// The name of that set.
    public func membersName(exponent: Int) -> String { "\(name)-\(1 << exponent)" }

    /// The names of all those sets: each frontend with an endpoint is in one of them.
    public var memberSetNames: [String] { (0...PoolSize.largestExponent).map { membersName(exponent: $0) } }

    /// The name of the chain that picks a slot for those frontends.
    public func pickName(exponent: Int) -> String {
        switch self {
        case .services, .nodePorts: "pick-\(name)-\(1 << exponent)"
        case .localServices: "local-pick-services-\(1 << exponent)"
        case .localNodePorts: "local-pick-nodeports-\(1 << exponent)"
        }
    }
}

extension SetID {
    /// The ranges whose addresses count as in the cluster (`--cluster-cidr`).
    public static let clusterCIDRs = SetID(0)
    /// The ranges of all ServiceCIDR objects.
    public static let serviceCIDRs = SetID(1)
    /// Every live ClusterIP.
    public static let clusterIPs = SetID(2)
    /// The addresses of this node that accept node ports.
    public static let nodePortAddresses = SetID(3)
    /// `A . A` for every endpoint address that may call itself on this node.
    public static let hairpin = SetID(4)
    /// Every usable endpoint once, whatever number of Services uses it.
    public static let backends = SetID(5)
    /// Address frontends under external Local policy.
    public static let externalLocal = SetID(6)
    /// Node ports under external Local policy.
    public static let externalLocalNodePorts = SetID(7)
    /// Address frontends under external Cluster policy.
    public static let masqueradeExternal = SetID(8)
    /// Node ports under external Cluster policy.
    public static let masqueradeExternalNodePorts = SetID(9)
    /// Address frontends without a usable endpoint anywhere.
    public static let rejectServices = SetID(10)
    /// Node ports without a usable endpoint anywhere.
    public static let rejectNodePorts = SetID(11)
    /// ClusterIP frontends under internal Local policy without a local endpoint.
    public static let dropServices = SetID(12)
    /// Address frontends under external Local policy without a local endpoint.
    public static let dropOutsideServices = SetID(13)
    /// Node ports under external Local policy without a local endpoint.
    public static let dropOutsideNodePorts = SetID(14)
    /// Load balancer frontends with source ranges.
    public static let restricted = SetID(15)
    /// Those frontends with each source range.
    public static let sourceRanges = SetID(20)
    /// Every usable endpoint of this node; only with `--preserve-local-source`.
    public static let localBackends = SetID(21)
    /// Which endpoint a client of a pool got last; written by the packet path.
    public static let affinity = SetID(22)
    /// The port of that endpoint; IPv6 only.
    public static let affinityPort = SetID(23)
    /// The first of four: `PoolKind.sticky`.
    static let firstSticky = SetID(24)
    /// 127.0.0.0/8; IPv4 and `--localhost-nodeports` only.
    public static let loopback = SetID(28)
    /// External and load balancer IPs, of which only ports are served.
    public static let externalAddresses = SetID(29)
    /// Flows that another table may translate; written by the packet path.
    public static let foreignFlows = SetID(30)
    /// Address frontends with ClientIP affinity.
    public static let affine = SetID(160)
    /// Node ports with ClientIP affinity.
    public static let affineNodePorts = SetID(161)
    /// The timeout of each pool with affinity.
    public static let stickyTimeouts = SetID(162)
    /// Which chain remembers for a timeout: part of the structure.
    public static let timeouts = SetID(163)
    /// The pool of a flow that begins; written by the packet path.
    public static let flowPools = SetID(164)
    /// The priority of the packet that begins a flow; written by the packet path.
    public static let flowPriorities = SetID(165)
    /// Flows that were forwarded to an external address on a port that no Service has; written by the packet path.
    public static let seenFlows = SetID(166)
    /// With which TTL those came; written by the packet path.
    public static let seenPackets = SetID(167)
    /// Every address that frontends have: ClusterIPs, external and load balancer IPs, and those of `nodePortAddresses`.
    public static let frontendAddresses = SetID(168)
    /// Address frontends without a usable endpoint anywhere, whose Service asks for silence.
    public static let dropEmptyServices = SetID(169)
    /// Such node ports.
    public static let dropEmptyNodePorts = SetID(170)
    /// External and load balancer frontends with direct return.
    public static let directFrontends = SetID(171)
    /// Those of them with ClientIP affinity.
    public static let directByAddress = SetID(172)
    /// Those of them under external Local policy, on a node with an endpoint.
    public static let directKept = SetID(173)
    /// Their slots whose owner is on this node.
    public static let directHere = SetID(174)
    /// The endpoint of each of these.
    public static let directTargets = SetID(175)
    /// The address of the owner of each of the others.
    public static let directOwners = SetID(176)
    /// The address of the endpoint that had a slot before, if it is still there, and not on this node.
    public static let directEarlier = SetID(177)
    /// `directFrontends` once more, in a key that an ICMP error has.
    public static let directErrorFrontends = SetID(182)
    /// The same of `directByAddress`.
    public static let directErrorsByAddress = SetID(183)
    /// The same of `directOwners`.
    public static let directErrorOwners = SetID(184)
    /// The same of `directEarlier`.
    public static let directErrorEarlier = SetID(185)
    /// Address frontends with endpoints, counting what clients send; only with `--service-traffic`.
    public static let trafficIn = SetID(178)
    /// The same, counting what endpoints answer.
    public static let trafficOut = SetID(179)
    /// Node ports with endpoints, counting what clients send; only with `--service-traffic`.
    public static let nodePortTrafficIn = SetID(180)
    /// The same, counting what endpoints answer.
    public static let nodePortTrafficOut = SetID(181)
    /// Slots of `PoolKind.services`.
    public static let endpoints = SetID(16)
    /// Slots of `PoolKind.localServices`.
    public static let localEndpoints = SetID(17)
    /// Slots of `PoolKind.nodePorts`.
    public static let nodePortEndpoints = SetID(18)
    /// Slots of `PoolKind.localNodePorts`.
    public static let localNodePortEndpoints = SetID(19)
}

/// The size classes of pools.
public enum PoolSize {
    /// Classes up to 2^6 = 64 exist from the start; larger ones are added when first needed.
    public static let initialExponent = 6
    /// The largest class: 2^16 = 65536 members.
    public static let largestExponent = 16
    /// The most members that a pool can have.
    public static let capacity = 1 << largestExponent

    /// The class of a pool: the smallest exponent with 2^exponent >= count. `count` is at least 1.
    public static func exponent(_ count: Int) -> Int {
        count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
    }
}
