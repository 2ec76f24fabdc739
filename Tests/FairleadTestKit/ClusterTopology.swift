import NetworkTypes

/// A small cluster of network namespaces in both families:
///
///     client ── router ──┬── node1 ── local pods        node1 has a second interface to the router
///                        ├── node2                      programs on the host network of node2
///                        └── pod router ── remote pods  the pods of node2
///
/// node1 is the node under test; it is the only one where rules are expected. Everything that the pods of node2 send
/// goes through node1, so that node1 sees both directions of their flows (node2 translates nothing). The router sends the
/// ranges of ClusterIPs, external IPs and load balancer IPs to node1. What node1 leaves alone goes on to node2, where all
/// of these addresses are local: a leak shows as a reset or as the answer of a server that a test opened there.
public struct ClusterTopology: Sendable {
    /// Someone with a network namespace and an address of each family.
    public struct Host: Sendable {
        /// For messages, and what the host's servers call themselves.
        public let name: String
        /// The host's namespace.
        public let namespace: NetworkNamespace
        /// The host's IPv4 address.
        public let ipv4: IPAddress
        /// The host's IPv6 address.
        public let ipv6: IPAddress

        /// The host's address of the family.
        public func address(_ family: IPFamily) -> IPAddress { family == .ipv4 ? ipv4 : ipv6 }
    }

    /// How large the cluster is, and where its servers listen.
    public struct Options: Sendable {
        /// Pods with servers on node1.
        public var localPods = 3
        /// Pods with servers behind node2.
        public var remotePods = 2
        /// The ports of the servers in pods, for each protocol.
        public var podPorts: [UInt16] = [8080, 8081, 8082]
        /// The ports of the servers on the nodes themselves, for each protocol.
        public var nodePorts: [UInt16] = [9100]

        /// How node1 reaches its pods.
        public var podLinks = PodLinks.routed

        /// How node1 reaches its pods.
        public enum PodLinks: Sendable {
            /// Each by an interface with the pod's name (`local-1`), point to point.
            case routed
            /// All on the bridge `pods`, which has the pods' gateway.
            case bridged
        }

        /// The usual cluster.
        public init() {}
    }

    /// The client outside the cluster.
    public let client: Host
    /// The same client by its second addresses.
    public let secondClient: Host
    /// The router between client and nodes.
    public let router: NetworkNamespace
    /// What is between the pods of node2 and the other hosts.
    let podRouter: NetworkNamespace
    /// The node under test.
    public let node1: Host
    /// The other node.
    public let node2: Host
    /// Pods with servers on node1: `local-1` and so on.
    public let localPods: [Host]
    /// Pods with servers behind node2: `remote-1` and so on.
    public let remotePods: [Host]
    /// A pod on node1 that serves nothing.
    public let localCaller: Host
    /// A pod behind node2 that serves nothing.
    public let remoteCaller: Host
    /// All servers of the cluster; tests may open more.
    public let servers: Servers

    /// Every address of node1 (those of its second interface and of its end of the pods' links too).
    public static let node1Addresses: Set<IPAddress> = [
        "172.30.0.11", "172.31.0.11", "10.128.1.1", "fd00:172:30::11", "fd00:172:31::11", "fd00:10:128:1::1",
    ]
    /// The addresses of node1's second interface.
    public static let node1SecondAddresses: [IPAddress] = ["172.31.0.11", "fd00:172:31::11"]
    /// Addresses of node2 that the router reaches through node1.
    public static let node2BehindNode1: [IPAddress] = ["172.30.0.13", "fd00:172:30::13"]
    /// What `--cluster-cidr` is.
    public static let clusterCIDRs = "10.128.0.0/16,fd00:10:128::/48"
    /// What the ServiceCIDR object holds.
    public static let serviceCIDRs = ["10.96.0.0/12", "fd00:10:96::/112"]

    /// Raises the cluster.
    public static func make(_ options: Options = Options()) async throws(TestKitError) -> ClusterTopology {
        let topology = try ClusterTopology(options)
        try await topology.connect(options.podLinks)
        try topology.serve(options)
        return topology
    }

    private init(_ options: Options) throws(TestKitError) {
        func host(_ name: String, _ ipv4: String, _ ipv6: String) throws(TestKitError) -> Host {
            Host(
                name: name, namespace: try NetworkNamespace(name), ipv4: IPAddress(stringLiteral: ipv4),
                ipv6: IPAddress(stringLiteral: ipv6))
        }
        func pod(_ name: String, node: Int, _ number: Int) throws(TestKitError) -> Host {
            try host(name, "10.128.\(node).\(number)", "fd00:10:128:\(node)::\(number)")
        }
        client = try host("client", "198.51.100.10", "2001:db8:100::10")
        secondClient = Host(
            name: "second-client", namespace: client.namespace, ipv4: "198.51.100.11", ipv6: "2001:db8:100::11")
        router = try NetworkNamespace("router")
        podRouter = try NetworkNamespace("pod-router")
        node1 = try host("node1", "172.30.0.11", "fd00:172:30::11")
        node2 = try host("node2", "172.30.0.12", "fd00:172:30::12")
        var pods: [[Host]] = [[], []]
        for (node, count) in [options.localPods, options.remotePods].enumerated() {
            for number in 0..<count {
                let name = "\(node == 0 ? "local" : "remote")-\(number + 1)"
                pods[node].append(try pod(name, node: node + 1, 11 + number))
            }
        }
        (localPods, remotePods) = (pods[0], pods[1])
        localCaller = try pod("local-caller", node: 1, 99)
        remoteCaller = try pod("remote-caller", node: 2, 99)
        servers = try Servers()
    }

    private func serve(_ options: Options) throws(TestKitError) {
        for pod in localPods + remotePods {
            try servers.open(pod.name, in: pod.namespace, at: [pod.ipv4, pod.ipv6], ports: options.podPorts)
        }
        for node in [node1, node2] where !options.nodePorts.isEmpty {
            // Tests open more servers on node2, where what node1 leaves alone arrives.
            try servers.open(
                node.name, in: node.namespace, at: [node.ipv4, node.ipv6], ports: options.nodePorts,
                abortsOtherPorts: node.name == node1.name)
        }
    }

    /// Everyone who can start a connection, by name.
    public var callers: [Host] {
        [client, secondClient, node1, node2, localCaller, remoteCaller] + localPods + remotePods
    }

    /// The host of that name.
    public func host(_ name: String) throws(TestKitError) -> Host {
        guard let host = callers.first(where: { $0.name == name }) else { throw .notFound("host \(name)") }
        return host
    }
}
