import FairleadTestKit
import NetworkTypes

/// A Service, and what must become of connections to it.
///
/// Every scenario has addresses and a node port of its own (``Numbers``), so that all scenarios of a suite share one
/// cluster and run at the same time. Each is tried in both families and, unless it says otherwise, with all protocols.
struct Scenario: Sendable {
    /// What is special about the Service.
    var name: String
    var externalPolicy = "Cluster"
    var internalPolicy = "Cluster"
    var endpoints: [EndpointShape]
    /// The last word on the objects, for what the properties above cannot say.
    var adjust: @Sendable (inout Objects, Numbers) -> Void = { _, _ in }
    var expectations: [Expectation]

    /// The objects that a scenario consists of.
    struct Objects: Sendable {
        var services: [ServiceManifest]
        var slices: [SliceManifest]

        /// The Service that most scenarios consist of.
        var service: ServiceManifest {
            get { services[0] }
            set { services[0] = newValue }
        }

        /// Changes every slice.
        mutating func eachSlice(_ change: (inout SliceManifest) -> Void) {
            for index in slices.indices { change(&slices[index]) }
        }
    }
}

/// An endpoint: a pod of the cluster, or the host network of a node, in a state.
struct EndpointShape: Sendable {
    var host: String
    var conditions: [String: Bool]
    /// Where the slice says it is; by default where it is.
    var node: String?
    /// The zones that hints allot it to.
    var zoneHints: [String] = []
    /// The nodes that hints allot it to.
    var nodeHints: [String] = []

    init(_ host: String, _ conditions: [String: Bool]) {
        self.host = host
        self.conditions = conditions
        node = host == "node1" || host.hasPrefix("local") ? "node1" : "node2"
    }

    static func ready(_ host: String) -> Self { Self(host, ["ready": true, "serving": true, "terminating": false]) }
    static func unspecified(_ host: String) -> Self { Self(host, [:]) }
    static func notReady(_ host: String) -> Self {
        Self(host, ["ready": false, "serving": false, "terminating": false])
    }
    /// Terminating, but serving until it is gone.
    static func serving(_ host: String) -> Self { Self(host, ["ready": false, "serving": true, "terminating": true]) }
    /// Terminating, and no longer serving.
    static func ending(_ host: String) -> Self { Self(host, ["ready": false, "serving": false, "terminating": true]) }

    /// The same endpoint, said to be on another node (or on none).
    func placed(on node: String?) -> Self {
        var copy = self
        copy.node = node
        return copy
    }

    /// The same endpoint with hints.
    func hinted(zones: [String] = [], nodes: [String] = []) -> Self {
        var copy = self
        (copy.zoneHints, copy.nodeHints) = (zones, nodes)
        return copy
    }
}

/// The addresses and ports that belong to one scenario.
struct Numbers: Sendable {
    /// From 1; at most 255.
    var index: Int

    var clusterIPs: [String] { addresses(96, block: 1) }
    var externalIPs: [String] { addresses(251, block: 1) }
    var loadBalancerIPs: [String] { addresses(250, block: 1) }
    /// Cluster IPs that no Service has.
    var freeClusterIPs: [String] { addresses(96, block: 2) }
    var nodePort: UInt16 { UInt16(30100 + index) }
    var name: String { "case-\(index)" }

    private func addresses(_ range: Int, block: Int) -> [String] {
        ["10.\(range).\(block).\(index)", "fd00:10:\(range)::\(String(block << 8 | index, radix: 16))"]
    }
}

/// Where a connection is sent.
enum Target: Sendable, Hashable, CustomStringConvertible {
    case clusterIP
    case clusterIPPort(UInt16)
    case externalIP
    case externalIPPort(UInt16)
    case loadBalancerIP
    case loadBalancerIPPort(UInt16)
    /// The node port on the node's own address.
    case nodePort
    /// The node port on the node's second interface.
    case nodePortOnSecondAddress
    /// The node port on loopback (only the node itself can go there).
    case nodePortOnLoopback
    /// The node port's number on node2.
    case nodePortOfOtherNode
    /// The same, at the address of node2 that is routed through node1.
    case nodePortBehindNode
    /// A cluster IP that no Service has.
    case freeClusterIP
    /// Some other address with port 80, IPv4 and IPv6.
    case address(IPAddress, IPAddress)

    static let external: [Target] = [.nodePort, .externalIP, .loadBalancerIP]
    static let all: [Target] = [.clusterIP] + external

    var description: String {
        switch self {
        case .clusterIP: "cluster IP"
        case .clusterIPPort(let port): "cluster IP, port \(port)"
        case .externalIP: "external IP"
        case .externalIPPort(let port): "external IP, port \(port)"
        case .loadBalancerIP: "load balancer IP"
        case .loadBalancerIPPort(let port): "load balancer IP, port \(port)"
        case .nodePort: "node port"
        case .nodePortOnSecondAddress: "node port on the second address"
        case .nodePortOnLoopback: "node port on loopback"
        case .nodePortOfOtherNode: "node port number on the other node"
        case .nodePortBehindNode: "node port number on a host behind the node"
        case .freeClusterIP: "unallocated cluster IP"
        case .address(let ipv4, _): "\(ipv4) or its like"
        }
    }

    func destination(_ numbers: Numbers, _ family: IPFamily) -> HostPort {
        let index = family == .ipv4 ? 0 : 1
        func at(_ addresses: [String], _ port: UInt16 = 80) -> HostPort {
            HostPort(IPAddress(stringLiteral: addresses[index]), port)
        }
        return switch self {
        case .clusterIP: at(numbers.clusterIPs)
        case .clusterIPPort(let port): at(numbers.clusterIPs, port)
        case .externalIP: at(numbers.externalIPs)
        case .externalIPPort(let port): at(numbers.externalIPs, port)
        case .loadBalancerIP: at(numbers.loadBalancerIPs)
        case .loadBalancerIPPort(let port): at(numbers.loadBalancerIPs, port)
        case .nodePort: at(["172.30.0.11", "fd00:172:30::11"], numbers.nodePort)
        case .nodePortOnSecondAddress: at(["172.31.0.11", "fd00:172:31::11"], numbers.nodePort)
        case .nodePortOnLoopback: at(["127.0.0.1", "::1"], numbers.nodePort)
        case .nodePortOfOtherNode: at(["172.30.0.12", "fd00:172:30::12"], numbers.nodePort)
        case .nodePortBehindNode: at(["172.30.0.13", "fd00:172:30::13"], numbers.nodePort)
        case .freeClusterIP: at(numbers.freeClusterIPs)
        case .address(let ipv4, let ipv6): HostPort(family == .ipv4 ? ipv4 : ipv6, 80)
        }
    }
}

/// What must become of connections from some sources to some targets.
struct Expectation: Sendable {
    /// Who connects: names of ``ClusterTopology/callers``.
    var sources: [String]
    var targets: [Target]
    var verdict: Verdict
    var transports = TransportProtocol.allCases
    var families = IPFamily.allCases

    /// Sources outside the cluster.
    static let outside = ["client", "second-client"]
    /// Pods that are not endpoints, on this node and on the other one.
    static let pods = ["local-caller", "remote-caller"]
    static let everyone = ["client", "local-caller", "remote-caller", "node1"]

    static func from(
        _ sources: [String], to targets: [Target], _ verdict: Verdict,
        transports: [TransportProtocol] = TransportProtocol.allCases, families: [IPFamily] = IPFamily.allCases
    ) -> Self {
        Self(sources: sources, targets: targets, verdict: verdict, transports: transports, families: families)
    }
}

/// What must become of a connection.
enum Verdict: Sendable, Hashable, CustomStringConvertible {
    /// Each of the servers answers, over many tries, and nobody else. A server is `name` or `name:port`; without a port
    /// 8080 is meant.
    case answered([String], sees: SeenSource)
    /// TCP RST or ICMP port unreachable, from the rules.
    case rejected
    /// Silence.
    case dropped
    /// As if there were no Service: the host that the packet reaches refuses.
    case closed

    /// The Service's rules do not apply; the packet goes on to the host that owns the address.
    static let leftAlone = Verdict.answered(["beyond:*"], sees: .client)

    var description: String {
        switch self {
        case .answered(let servers, let source): "answered by each of \(servers.joined(separator: ", ")); \(source)"
        case .rejected: "rejected"
        case .dropped: "dropped"
        case .closed: "refused by the host"
        }
    }
}

/// The source address that the server sees.
enum SeenSource: Sendable, Hashable, CustomStringConvertible {
    /// The client's own.
    case client
    /// One of node1's.
    case node
    /// One of node1's, except by a server on node1's host network: what is delivered on the node itself passes no
    /// postrouting hook, and its answer comes back anyway.
    case nodeUnlessNode
    /// One of node1's by the server that is the client itself, the client's own by all others.
    case nodeIfSelf

    var description: String {
        switch self {
        case .client: "source kept"
        case .node: "source is the node"
        case .nodeUnlessNode: "source is the node, except for servers of the node itself"
        case .nodeIfSelf: "source kept, except that a pod which calls itself sees the node"
        }
    }
}
