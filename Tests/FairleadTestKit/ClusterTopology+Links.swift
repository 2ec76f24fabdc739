import NetworkTypes

// Links, addresses and routes, as lines for `ip -batch`: one process for each namespace.

extension ClusterTopology {
    /// What every router of the cluster needs: forwarding, and no mechanism that guesses or limits.
    static let routerParameters = [
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"), ("ipv4/conf/default/send_redirects", "0"),
        ("ipv6/conf/all/forwarding", "1"), ("ipv6/conf/default/forwarding", "1"),
        // Rejected packets are many and at once; the kernel would answer only a few of them.
        ("ipv4/icmp_ratemask", "0"), ("ipv6/icmp/ratemask", "255"),
    ]
    /// Addresses are usable at once.
    static let hostParameters = [
        ("ipv4/conf/all/accept_redirects", "0"), ("ipv4/conf/default/accept_redirects", "0"),
        ("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/all/accept_ra", "0"), ("ipv6/conf/default/accept_ra", "0"),
    ]
    private static let virtualRanges = [
        "10.96.0.0/12", "10.250.0.0/16", "10.251.0.0/16",
        "fd00:10:96::/112", "fd00:10:250::/112", "fd00:10:251::/112",
    ]

    func connect(_ podLinks: Options.PodLinks) async throws(TestKitError) {
        let routers = [router, node1.namespace, node2.namespace, podRouter]
        for namespace in routers { try namespace.setParameters(Self.hostParameters + Self.routerParameters) }
        let ends = ([client, localCaller, remoteCaller] + localPods + remotePods).map(\.namespace)
        for namespace in ends { try namespace.setParameters(Self.hostParameters) }
        let localHosts = localPods + [localCaller]
        let remoteHosts = remotePods + [remoteCaller]
        // Links first where both ends are made, then what lies behind them; independent ones side by side.
        try await Self.together([(router, routerLines)])
        try await Self.together([
            (node1.namespace, node1Lines + Self.localLinks(podLinks, localHosts)),
            (podRouter, podRouterLines + remoteHosts.flatMap { Self.podLink($0, node: 2) + [Self.throughNode1($0)] }),
            (node2.namespace, node2Lines),
            (client.namespace, clientLines),
        ])
        // `ip` takes the family of such a rule from its options only.
        let rules = Program(
            "ip", ["-6", "-batch", "-"], input: remoteHosts.map { Self.throughNode1($0) + "\n" }.joined())
        try await podRouter.execute(rules).requireSuccess()
        try await Self.together(
            localHosts.map { ($0.namespace, Self.podLines($0, node: 1)) }
                + remoteHosts.map { ($0.namespace, Self.podLines($0, node: 2)) })
    }

    static func together(_ work: [(NetworkNamespace, [String])]) async throws(TestKitError) {
        let results = await withTaskGroup(of: Result<Void, TestKitError>.self) { group in
            for (namespace, lines) in work {
                group.addTask {
                    do throws(TestKitError) {
                        let program = Program("ip", ["-batch", "-"], input: lines.joined(separator: "\n") + "\n")
                        return .success(_ = try await namespace.execute(program).requireSuccess())
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for result in results { try result.get() }
    }

    /// A link from the namespace of the lines to `eth0` (or another name) of a host.
    static func link(_ name: String, to namespace: NetworkNamespace, _ peer: String = "eth0") -> [String] {
        ["link add \(name) type veth peer name \(peer) netns \(namespace.path)", "link set \(name) up"]
    }

    private var routerLines: [String] {
        var lines = ["link add nodes type bridge mcast_snooping 0", "link set nodes up"]
        lines += Self.link("node1", to: node1.namespace) + Self.link("node2", to: node2.namespace)
        lines += Self.link("pods", to: podRouter)
        lines += ["node1", "node2", "pods"].map { "link set \($0) master nodes" }
        lines += Self.link("second", to: node1.namespace, "eth1") + Self.link("client", to: client.namespace)
        lines += [
            "address add 172.30.0.1/24 dev nodes", "address add fd00:172:30::1/64 dev nodes nodad",
            "address add 172.31.0.1/24 dev second", "address add fd00:172:31::1/64 dev second nodad",
            "address add 198.51.100.1/24 dev client", "address add 2001:db8:100::1/64 dev client nodad",
        ]
        let viaNode1 =
            Self.virtualRanges + [
                "10.128.1.0/24", "fd00:10:128:1::/64", "172.30.0.13/32", "fd00:172:30::13/128",
            ]
        lines += viaNode1.map { "route add \($0) via \(node1.address(Self.family($0)))" }
        return lines + Self.remotePodRoutes
    }

    private var clientLines: [String] {
        var lines = ["link set eth0 up"]
        for host in [client, secondClient] {
            lines += ["address add \(host.ipv4)/24 dev eth0", "address add \(host.ipv6)/64 dev eth0 nodad"]
        }
        // The later of two IPv6 addresses would become the source of new connections.
        lines += ["route add default via 198.51.100.1 src \(client.ipv4)"]
        return lines + ["route add default via 2001:db8:100::1 src \(client.ipv6)"]
    }

    private var node1Lines: [String] {
        var lines = [
            "link set eth0 up", "link set eth1 up",
            "address add 172.30.0.11/24 dev eth0", "address add fd00:172:30::11/64 dev eth0 nodad",
            "address add 172.31.0.11/24 dev eth1", "address add fd00:172:31::11/64 dev eth1 nodad",
            "route add default via 172.30.0.1", "route add default via fd00:172:30::1",
        ]
        lines += Self.virtualRanges.map { "route add \($0) via \(node2.address(Self.family($0)))" }
        return lines + Self.remotePodRoutes
    }

    private var node2Lines: [String] {
        var lines = [
            "link set eth0 up",
            "address add 172.30.0.12/24 dev eth0", "address add fd00:172:30::12/64 dev eth0 nodad",
            "route add default via 172.30.0.11", "route add default via fd00:172:30::11",
            "address add 172.30.0.13/24 dev eth0",
            // Deprecated: not to be chosen as the source of new connections.
            "address add fd00:172:30::13/64 dev eth0 nodad preferred_lft 0",
        ]
        lines += Self.virtualRanges.map { "route add local \($0) dev lo" }
        return lines
    }

    private var podRouterLines: [String] {
        [
            "link set eth0 up",
            "address add 172.30.0.14/24 dev eth0", "address add fd00:172:30::14/64 dev eth0 nodad",
            "route add default via 172.30.0.11", "route add default via fd00:172:30::11",
            "route add default via 172.30.0.11 table 100", "route add default via fd00:172:30::11 table 100",
        ]
    }

    private static let remotePodRoutes = [
        "route add 10.128.2.0/24 via 172.30.0.14", "route add fd00:10:128:2::/64 via fd00:172:30::14",
    ]

    private static func family(_ range: String) -> IPFamily { range.contains(":") ? .ipv6 : .ipv4 }

    /// The node's side of a routed point-to-point link to a pod.
    static func podLink(_ pod: Host, node: Int) -> [String] {
        let name = pod.name
        var lines = link(name, to: pod.namespace)
        lines += ["address add 10.128.\(node).1/32 dev \(name)"]
        lines += ["address add fd00:10:128:\(node)::1/128 dev \(name) nodad"]
        lines += ["route add \(pod.ipv4)/32 dev \(name)", "route add \(pod.ipv6)/128 dev \(name)"]
        return lines
    }

    private static func localLinks(_ kind: Options.PodLinks, _ pods: [Host]) -> [String] {
        if kind == .routed { return pods.flatMap { podLink($0, node: 1) } }
        let bridge = [
            "link add pods type bridge mcast_snooping 0", "link set pods up",
            "address add 10.128.1.1/32 dev pods", "address add fd00:10:128:1::1/128 dev pods nodad",
        ]
        return bridge
            + pods.flatMap { pod in
                link(pod.name, to: pod.namespace) + [
                    "link set \(pod.name) master pods", "route add \(pod.ipv4)/32 dev pods",
                    "route add \(pod.ipv6)/128 dev pods",
                ]
            }
    }

    /// The rule that sends everything that comes from a pod behind node2 to node1.
    private static func throughNode1(_ pod: Host) -> String { "rule add iif \(pod.name) lookup 100 pref 100" }

    static func podLines(_ pod: Host, node: Int) -> [String] {
        [
            "link set eth0 up",
            "address add \(pod.ipv4)/32 dev eth0", "address add \(pod.ipv6)/128 dev eth0 nodad",
            "route add 10.128.\(node).1/32 dev eth0", "route add default via 10.128.\(node).1",
            "route add fd00:10:128:\(node)::1/128 dev eth0", "route add default via fd00:10:128:\(node)::1",
        ]
    }
}
