import FairleadTestKit
import NetworkTypes

/// One sample Service, and what the lab tries with it.
struct Exhibit: Sendable {
    /// A connection to try.
    struct Trial: Sendable {
        var source: Source
        var destination: Destination
        /// Why it ends as it does, in one line.
        var reason: String
    }

    /// Who connects.
    enum Source: String, Sendable {
        case client = "client outside"
        case localPod = "pod on node1"
        case remotePod = "pod on node2"
        case node = "node1 itself"
        case endpoint = "pod local-1"
    }

    /// Which of the Service's addresses is used.
    enum Destination: Sendable {
        case clusterIP
        case clusterIPPort(UInt16)
        case nodePort
        case loadBalancerIP
    }

    var title: String
    var file: String
    /// The last number of all addresses of the sample; its node port is 30000 more.
    var number: UInt16
    var trials: [Trial]

    /// Where the trial connects to.
    func address(_ destination: Destination, _ family: IPFamily) -> HostPort {
        func address(_ ipv4: String, _ ipv6: String) -> IPAddress {
            IPAddress(stringLiteral: family == .ipv4 ? ipv4 : ipv6)
        }
        let clusterIP = address("10.96.0.\(number)", "fd00:10:96::\(number)")
        return switch destination {
        case .clusterIP: HostPort(clusterIP, 80)
        case .clusterIPPort(let port): HostPort(clusterIP, port)
        case .nodePort: HostPort(address("172.30.0.11", "fd00:172:30::11"), 30000 + number)
        case .loadBalancerIP: HostPort(address("10.250.0.\(number)", "fd00:10:250::\(number)"), 80)
        }
    }
}

extension Exhibit.Destination {
    /// What kind of address it is.
    var kind: String {
        switch self {
        case .clusterIP, .clusterIPPort: "cluster IP"
        case .nodePort: "node port"
        case .loadBalancerIP: "LB IP"
        }
    }
}

extension Exhibit {
    /// The samples of `docs/samples`, in the order of their files.
    static let all = [web, api, cache, elsewhere, rollout, empty]

    private static func trial(_ source: Source, _ destination: Destination, _ reason: String) -> Trial {
        Trial(source: source, destination: destination, reason: reason)
    }

    private static let web = Exhibit(
        title: "web: both traffic policies Cluster", file: "10-web.yaml", number: 10,
        trials: [
            trial(
                .client, .loadBalancerIP,
                "Any endpoint may answer; masqueraded, so that the answer comes back this way."),
            trial(.client, .nodePort, "A node port leads to the same Service by another address."),
            trial(.localPod, .clusterIP, "In-cluster traffic is never masqueraded: the pod sees who calls."),
            trial(.remotePod, .clusterIP, "The same for a pod of another node."),
            trial(.endpoint, .clusterIP, "Hairpin: only where the pod reaches itself must the source be the node's."),
            trial(.node, .clusterIP, "The node's own connections get any endpoint."),
            trial(.localPod, .clusterIPPort(81), "The address is in use, the port is not: refused at once."),
        ])
    private static let api = Exhibit(
        title: "api: externalTrafficPolicy Local", file: "20-api.yaml", number: 20,
        trials: [
            trial(.client, .loadBalancerIP, "Only pods of this node answer, and they see the client's own address."),
            trial(.client, .nodePort, "The same by the node port."),
            trial(.localPod, .loadBalancerIP, "A pod is not outside: any endpoint, and no masquerade."),
            trial(.node, .loadBalancerIP, "Nor is the node."),
            trial(.localPod, .clusterIP, "The policy does not concern the cluster IP."),
        ])
    private static let cache = Exhibit(
        title: "cache: internalTrafficPolicy Local", file: "30-cache.yaml", number: 30,
        trials: [
            trial(.localPod, .clusterIP, "The cluster IP leads to this node's endpoint only."),
            trial(.client, .loadBalancerIP, "From outside, the other policy counts, and it is Cluster."),
        ])
    private static let elsewhere = Exhibit(
        title: "elsewhere: both policies Local, but no endpoint on this node", file: "40-elsewhere.yaml", number: 40,
        trials: [
            trial(
                .client, .loadBalancerIP, "Dropped, not refused: the load balancer will send retries to a better node."),
            trial(.localPod, .clusterIP, "Dropped as well: there is no endpoint on this node."),
            trial(.localPod, .loadBalancerIP, "Short-circuited to the cluster's endpoints (without --strict-local)."),
        ])
    private static let rollout = Exhibit(
        title: "rollout: all endpoints are terminating", file: "50-rollout.yaml", number: 50,
        trials: [
            trial(.client, .loadBalancerIP, "No endpoint is ready: those that still serve are used, the others never."),
            trial(.localPod, .clusterIP, "The same in the cluster."),
        ])
    private static let empty = Exhibit(
        title: "empty: no endpoints", file: "60-empty.yaml", number: 60,
        trials: [
            trial(.client, .loadBalancerIP, "Refused at once: nobody has to wait for a time-out."),
            trial(.localPod, .clusterIP, "The same for a pod,"),
            trial(.node, .nodePort, "and for the node itself."),
        ])
}
