import KubernetesModel
import NetworkTypes

/// What stands between clients outside and the nodes.
public enum LoadBalancerKind: String, Hashable, Sendable, CaseIterable {
    /// MetalLB, with BGP or on layer 2.
    case metalLB = "metallb"
    /// AWS Network Load Balancer with nodes as its targets.
    case awsNLBInstance = "aws-nlb-instance"
    /// AWS Network Load Balancer with pods as its targets.
    case awsNLBIP = "aws-nlb-ip"
    /// Azure Load Balancer.
    case azure
    /// Google's passthrough Network Load Balancer, with nodes as its targets.
    case gcp
    /// Google's load balancers with pods as their targets (NEG of type GCE_VM_IP_PORT).
    case gcpNEG = "gcp-neg"
    /// A load balancer that somebody else configures: F5, Citrix, HAProxy and others in front of node ports or external IPs.
    case external

    /// How sentences name it.
    var title: String {
        switch self {
        case .metalLB: "MetalLB"
        case .awsNLBInstance: "an AWS NLB with instance targets"
        case .awsNLBIP: "an AWS NLB with IP targets"
        case .azure: "Azure Load Balancer"
        case .gcp: "Google's passthrough load balancer"
        case .gcpNEG: "a Google load balancer with network endpoint groups"
        case .external: "a load balancer that is configured elsewhere"
        }
    }

    /// Whether it sends to pods itself, so that no node's policy is asked.
    var targetsPods: Bool { self == .awsNLBIP || self == .gcpNEG }
}

/// Where the cluster runs, as far as it matters to policies.
public enum Environment: String, Hashable, Sendable, CaseIterable {
    /// On machines of one's own: nodes stay, and their network is under one's own control.
    case onPremises = "on-premises"
    /// In a public cloud with nodes that stay.
    case cloud
    /// In a public cloud, with nodes that come and go with the load.
    case autoscaledCloud = "autoscaled-cloud"
}

/// How the dataplane tells which sources are pods of the cluster, where Nodes can be held against it.
public enum PodSources: Hashable, Sendable {
    /// By `clusterCIDR`.
    case clusterCIDRs([CIDR])
    /// By the podCIDRs of each node (`detectLocalMode` NodeCIDR).
    case nodeCIDRs
}

/// What the operator knows and the objects may not tell.
public struct AdviceOptions: Hashable, Sendable {
    /// The load balancer in front of Services of type LoadBalancer; nil: what annotations, classes and Nodes suggest.
    public var loadBalancer: LoadBalancerKind?
    /// Where the cluster runs; nil: what Nodes suggest.
    public var environment: Environment?
    /// How sources are told to be in the cluster; nil if nobody said.
    public var podSources: PodSources?
    /// Whether nodes serve `spec.externalIPs` (`--no-external-ips`, the gate `AllowServiceExternalIPs`).
    public var servesExternalIPs = true
    /// The taints by which nodes are taken out of load balancers (`--drain-taints`).
    public var drainTaints = DrainTaints()
    /// Codes that nobody wants to hear of.
    public var ignored: Set<AdviceCode> = []

    /// Makes options that leave everything to the objects.
    public init() {}

    /// From this ratio between the busiest and the idlest pod on a load counts as uneven.
    ///
    /// Half as much again: one pod has to have a third in hand over the average of two, which is about what operators keep.
    public static let unevenRatio = 1.5
}
