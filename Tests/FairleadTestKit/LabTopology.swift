import NetworkTypes

/// A cluster with a load balancer in front of it, in network namespaces of both families:
///
///     client ───── router ──┬── node1 ── node1-a, node1-b
///     balancer ────┘        ├── node2 ── node2-a, node2-b
///                           └── node3 ── node3-a, node3-b
///
/// Each node is a node of its own: it routes its pods' packets, and runs `fairlead` if ``run(_:manifests:options:)`` starts it.
/// Nothing leads to the Service's own addresses but what a test puts there: the balancer sends to node ports; routes or
/// neighbours lead to the virtual address (``virtualIPv4``).
public struct LabTopology: Sendable {
    /// Someone with a namespace and an address of each family.
    public typealias Host = ClusterTopology.Host

    /// The client outside.
    public let client: Host
    /// The load balancer's host; it has also the addresses that clients connect to (``balancerIPv4``).
    public let balancer: Host
    /// The router between all.
    public let router: Host
    /// `node1` to `node3`.
    public let nodes: [Host]
    /// The pods, with servers on port 8080 as long as they live: two for each node.
    public let pods: [Host]
    /// The servers of the pods.
    public let servers: Servers

    /// What clients connect to at the balancer.
    public static let balancerIPv4: IPAddress = "192.0.2.80"
    /// What clients connect to at the balancer.
    public static let balancerIPv6: IPAddress = "2001:db8:2::80"
    /// The Service's load balancer address; outside every link's range, so that only a route leads there.
    public static let virtualIPv4: IPAddress = "10.250.0.80"
    /// The same of IPv6.
    public static let virtualIPv6: IPAddress = "fd00:10:250::80"
    /// The same within the range of the nodes' link, where neighbours are asked for it.
    public static let linkIPv4: IPAddress = "172.30.0.80"
    /// The same as ``linkIPv4``.
    public static let linkIPv6: IPAddress = "fd00:172:30::80"
    /// The Service's node port.
    public static let nodePort: UInt16 = 30080
    /// The Service's health check port.
    public static let healthCheckPort: UInt16 = 30500
    private static let podPort: UInt16 = 8080

    /// Raises the cluster. All pods live.
    public static func make() async throws(TestKitError) -> LabTopology {
        let topology = try LabTopology()
        try await topology.connect()
        for pod in topology.pods { try await topology.start(pod.name) }
        return topology
    }

    private init() throws(TestKitError) {
        func host(_ name: String, _ ipv4: String, _ ipv6: String) throws(TestKitError) -> Host {
            Host(
                name: name, namespace: try NetworkNamespace(name), ipv4: IPAddress(stringLiteral: ipv4),
                ipv6: IPAddress(stringLiteral: ipv6))
        }
        client = try host("client", "198.51.100.10", "2001:db8:100::10")
        balancer = try host("balancer", "192.0.2.10", "2001:db8:2::10")
        router = try host("router", "172.30.0.1", "fd00:172:30::1")
        var (nodes, pods): ([Host], [Host]) = ([], [])
        for node in 1...3 {
            nodes.append(try host("node\(node)", "172.30.0.1\(node)", "fd00:172:30::1\(node)"))
            for (letter, number) in [("a", 11), ("b", 12)] {
                pods.append(
                    try host("node\(node)-\(letter)", "10.128.\(node).\(number)", "fd00:10:128:\(node)::\(number)"))
            }
        }
        (self.nodes, self.pods) = (nodes, pods)
        servers = try Servers()
    }

    /// Everyone, by name.
    public var hosts: [Host] { [client, balancer, router] + nodes + pods }

    /// The host of that name.
    public func host(_ name: String) throws(TestKitError) -> Host {
        guard let host = hosts.first(where: { $0.name == name }) else { throw .notFound("host \(name)") }
        return host
    }

    /// Lets a pod begin to serve, or start again.
    public func start(_ pod: String) async throws(TestKitError) {
        let pod = try host(pod)
        await servers.close(pod.name)
        try servers.open(
            pod.name, in: pod.namespace, at: [pod.ipv4, pod.ipv6], ports: [Self.podPort],
            transports: [.tcp, .udp, .sctp])
    }

    /// Ends a pod: what it is asked from now on is refused, and its connections are closed.
    public func end(_ pod: String) async { await servers.close(pod) }

    /// Has the router send what goes to an address to these nodes, each flow to one of them.
    public func route(_ address: IPAddress, to nodes: [String]) async throws(TestKitError) {
        var words = ["route", "replace", "\(address)"]
        for name in nodes { words += ["nexthop", "via", "\(try host(name).address(address.family))"] }
        try await router.namespace.execute(Program("ip", words)).requireSuccess()
    }

    /// Starts `fairlead run` on a node and waits until it serves.
    public func run(_ node: String, manifests: String, options: [String] = []) async throws(TestKitError) -> Daemon {
        let arguments = [
            "run", "--manifests", manifests, "--node-name", node, "--cluster-cidr", ClusterTopology.clusterCIDRs,
        ]
        let program = try FairleadCommand().program(arguments + options, timeLimit: .seconds(3600))
        let daemon = try await Daemon(program, in: try host(node).namespace)
        try await daemon.waitForOutput("serving", timeLimit: .seconds(30))
        return daemon
    }
}

extension LabTopology {
    private func connect() async throws(TestKitError) {
        for host in [router] + nodes {
            let parameters = ClusterTopology.hostParameters + ClusterTopology.routerParameters
            try host.namespace.setParameters(parameters)
        }
        // Flows are spread by their ports too, or a single client would have a single way.
        try router.namespace.setParameters([
            ("ipv4/fib_multipath_hash_policy", "1"), ("ipv6/fib_multipath_hash_policy", "1"),
        ])
        for host in [client, balancer] + pods { try host.namespace.setParameters(ClusterTopology.hostParameters) }
        try await ClusterTopology.together([(router.namespace, routerLines)])
        try await ClusterTopology.together(
            nodes.map { ($0.namespace, nodeLines($0)) } + [
                (client.namespace, Self.endLines(client, gateway: "198.51.100.1", "2001:db8:100::1")),
                (
                    balancer.namespace,
                    Self.endLines(balancer, gateway: "192.0.2.1", "2001:db8:2::1") + [
                        "address add \(Self.balancerIPv4)/24 dev eth0",
                        "address add \(Self.balancerIPv6)/64 dev eth0 nodad preferred_lft 0",
                    ]
                ),
            ])
        try await ClusterTopology.together(
            pods.map { ($0.namespace, ClusterTopology.podLines($0, node: Self.node(of: $0))) })
    }

    /// The number of the node that a pod is on.
    private static func node(of pod: Host) -> Int { pod.name.dropFirst(4).first?.wholeNumberValue ?? 0 }

    private var routerLines: [String] {
        var lines = ["link add nodes type bridge mcast_snooping 0", "link set nodes up"]
        for node in nodes {
            lines += ClusterTopology.link(node.name, to: node.namespace) + ["link set \(node.name) master nodes"]
        }
        for host in [client, balancer] { lines += ClusterTopology.link(host.name, to: host.namespace) }
        return lines + [
            "address add 172.30.0.1/24 dev nodes", "address add fd00:172:30::1/64 dev nodes nodad",
            "address add 198.51.100.1/24 dev client", "address add 2001:db8:100::1/64 dev client nodad",
            "address add 192.0.2.1/24 dev balancer", "address add 2001:db8:2::1/64 dev balancer nodad",
        ]
    }

    private static func endLines(_ host: Host, gateway ipv4: String, _ ipv6: String) -> [String] {
        [
            "link set eth0 up", "address add \(host.ipv4)/24 dev eth0", "address add \(host.ipv6)/64 dev eth0 nodad",
            "route add default via \(ipv4)", "route add default via \(ipv6)",
        ]
    }

    private func nodeLines(_ node: Host) -> [String] {
        var lines = Self.endLines(node, gateway: "172.30.0.1", "fd00:172:30::1")
        for other in nodes {
            let number = other.name.dropFirst(4)
            if other.name == node.name {
                let own = pods.filter { $0.name.hasPrefix("\(node.name)-") }
                lines += own.flatMap { ClusterTopology.podLink($0, node: Self.node(of: $0)) }
            } else {
                lines += ["route add 10.128.\(number).0/24 via \(other.ipv4)"]
                lines += ["route add fd00:10:128:\(number)::/64 via \(other.ipv6)"]
            }
        }
        return lines
    }
}
