import KubernetesModel

/// What advice can find. The raw values are stable: annotations and options name them, and `docs/advice.md` explains each.
public enum AdviceCode: String, Hashable, Sendable, CaseIterable {
    /// An object is invalid, so that its Service could not be looked at as it is.
    case invalidObject = "invalid-object"
    /// A value of an object cannot be used and is left out.
    case invalidValue = "invalid-value"
    /// A range of loadBalancerSourceRanges cannot be read and is left out.
    case unreadableSourceRange = "unreadable-source-range"
    /// An address is spelled in a way that newer API servers refuse.
    case legacyAddress = "legacy-address"
    /// Two Services claim one address and port.
    case contestedFrontend = "contested-frontend"
    /// Two Services share an address under externalTrafficPolicy Local, and no node serves both.
    case sharedAddressSplit = "shared-address-split"
    /// A health check port that is another's, too.
    case contestedHealthCheckPort = "contested-health-check-port"
    /// An external address of a Service is a node's, on a port that the node needs.
    case nodePortTaken = "node-port-taken"
    /// External IPs that the nodes do not serve.
    case externalIPsNotServed = "external-ips-not-served"
    /// No endpoint can answer.
    case noEndpoint = "no-endpoint"
    /// externalTrafficPolicy Local, and all endpoints are on nodes that the load balancer leaves out.
    case externalLocalUnreachable = "external-local-unreachable"
    /// externalTrafficPolicy Local, and nodes without an endpoint may still get traffic.
    case externalLocalGap = "external-local-gap"
    /// externalTrafficPolicy Local, and the load balancer's IPs are addresses of nodes without an endpoint.
    case nodeAddressWithoutEndpoint = "node-address-without-endpoint"
    /// externalTrafficPolicy Local, and pods get very different shares of the traffic.
    case externalLocalUneven = "external-local-uneven"
    /// externalTrafficPolicy Local in a cloud whose nodes come and go.
    case externalLocalAutoscaled = "external-local-autoscaled"
    /// externalTrafficPolicy Local, and nothing that a load balancer could ask which nodes have an endpoint.
    case nodePortWithoutHealthCheck = "node-port-without-health-check"
    /// externalTrafficPolicy Local behind a load balancer that sends to pods itself.
    case podTargetsWithLocal = "pod-targets-with-local"
    /// The load balancer sends to node ports, and there are none.
    case loadBalancerWithoutNodePort = "load-balancer-without-node-port"
    /// internalTrafficPolicy Local, and nodes with pods have no endpoint.
    case internalLocalGap = "internal-local-gap"
    /// externalTrafficPolicy Cluster on premises where the pods want to know the client's address.
    case clusterHidesSource = "cluster-hides-source"
    /// loadBalancerSourceRanges under externalTrafficPolicy Cluster.
    case sourceRangesUnderCluster = "source-ranges-under-cluster"
    /// loadBalancerSourceRanges that a node port goes around.
    case sourceRangesOpenNodePort = "source-ranges-open-node-port"
    /// loadBalancerSourceRanges that leave a family open.
    case sourceRangesOtherFamily = "source-ranges-other-family"
    /// loadBalancerSourceRanges behind a load balancer that does not pass clients' addresses on.
    case sourceRangesIgnored = "source-ranges-ignored"
    /// ClientIP affinity under externalTrafficPolicy Cluster.
    case affinityUnderCluster = "affinity-under-cluster"
    /// Direct return: answers leave by another node than the one that was asked.
    case directReturnAsymmetric = "direct-return-asymmetric"
    /// Closeness is asked for, and the hints that make it are missing.
    case hintsIgnored = "hints-ignored"
    /// Closeness is asked for, and a zone has no endpoint.
    case zoneWithoutEndpoint = "zone-without-endpoint"
    /// Closeness gives endpoints very different shares.
    case zoneUneven = "zone-uneven"
    /// One endpoint.
    case singleEndpoint = "single-endpoint"
    /// All endpoints on one node.
    case singleNode = "single-node"
    /// All endpoints in one zone.
    case singleZone = "single-zone"
    /// Nodes whose pods have addresses outside of clusterCIDR.
    case podCIDROutsideClusterCIDR = "pod-cidr-outside-cluster-cidr"
    /// detectLocalMode NodeCIDR, and Nodes without a podCIDR.
    case nodeWithoutPodCIDR = "node-without-pod-cidr"

    /// A node whose pods are about to go, and load balancers still send to it.
    case evictionBeforeWithdrawal = "eviction-before-withdrawal"

    /// The codes in a list with commas or blanks between them, and what is none.
    public static func list(_ text: String) -> (known: [AdviceCode], unknown: [String]) {
        var result: (known: [AdviceCode], unknown: [String]) = ([], [])
        for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }).map(String.init) {
            if let code = AdviceCode(rawValue: part) { result.known.append(code) } else { result.unknown.append(part) }
        }
        return result
    }

    /// What the code means, in a few words without a period.
    public var title: String {
        switch self {
        case .invalidObject: "An object is invalid"
        case .invalidValue: "A value that is left out"
        case .unreadableSourceRange: "A source range that cannot be read"
        case .legacyAddress: "An address in a spelling that newer API servers refuse"
        case .contestedFrontend: "Two Services claim one frontend"
        case .sharedAddressSplit: "Services that share an address under externalTrafficPolicy Local, on different nodes"
        case .contestedHealthCheckPort: "A health check port that is claimed twice"
        case .nodePortTaken: "A Service on a port that nodes need"
        case .externalIPsNotServed: "External IPs that are not served"
        case .noEndpoint: "No endpoint can answer"
        case .externalLocalUnreachable: "externalTrafficPolicy Local with endpoints only where no traffic comes"
        case .externalLocalGap: "externalTrafficPolicy Local with nodes that get traffic and have no endpoint"
        case .nodeAddressWithoutEndpoint:
            "externalTrafficPolicy Local with load balancer IPs of nodes without an endpoint"
        case .externalLocalUneven: "externalTrafficPolicy Local with an uneven load"
        case .externalLocalAutoscaled: "externalTrafficPolicy Local in an auto-scaled cloud"
        case .nodePortWithoutHealthCheck: "externalTrafficPolicy Local without a health check port"
        case .podTargetsWithLocal: "externalTrafficPolicy Local behind a load balancer with pods as its targets"
        case .loadBalancerWithoutNodePort: "A load balancer that needs node ports, and none"
        case .internalLocalGap: "internalTrafficPolicy Local with pods on nodes without an endpoint"
        case .clusterHidesSource: "externalTrafficPolicy Cluster where the source address is needed"
        case .sourceRangesUnderCluster: "loadBalancerSourceRanges under externalTrafficPolicy Cluster"
        case .sourceRangesOpenNodePort: "loadBalancerSourceRanges with a node port beside them"
        case .sourceRangesOtherFamily: "loadBalancerSourceRanges of the other family only"
        case .sourceRangesIgnored: "loadBalancerSourceRanges that never see a client"
        case .affinityUnderCluster: "Session affinity under externalTrafficPolicy Cluster"
        case .directReturnAsymmetric: "Direct return, which the network has to allow"
        case .hintsIgnored: "Topology hints that are not complete"
        case .zoneWithoutEndpoint: "A zone without an endpoint"
        case .zoneUneven: "An uneven load between zones"
        case .singleEndpoint: "A single endpoint"
        case .singleNode: "All endpoints on one node"
        case .singleZone: "All endpoints in one zone"
        case .podCIDROutsideClusterCIDR: "A podCIDR outside of clusterCIDR"
        case .nodeWithoutPodCIDR: "detectLocalMode NodeCIDR with Nodes that have no podCIDR"
        case .evictionBeforeWithdrawal: "A cordoned node that load balancers still send to"
        }
    }

    /// How much it matters, unless a rule knows better in a case.
    public var severity: Finding.Severity {
        switch self {
        case .invalidObject, .contestedFrontend, .externalLocalUnreachable, .loadBalancerWithoutNodePort,
            .sharedAddressSplit, .contestedHealthCheckPort, .nodePortTaken:
            .error
        case .sourceRangesUnderCluster, .directReturnAsymmetric, .evictionBeforeWithdrawal: .info
        default: .warning
        }
    }
}
