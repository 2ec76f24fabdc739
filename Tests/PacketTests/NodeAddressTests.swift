import FairleadTestKit
import NetworkTypes
import Testing

/// Node ports on addresses that come and go while the daemon runs.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NodeAddressTests {
    private static let service = Scenario(name: "node ports", endpoints: [.ready("local-1")], expectations: [])

    /// An address that is routed to node1, and that node1 leaves to node2 unless it has it itself.
    private static let guest: (ipv4: IPAddress, ipv6: IPAddress) = ("10.250.77.1", "fd00:10:250::7701")
    private static func guest(_ family: IPFamily) -> IPAddress { family == .ipv4 ? guest.ipv4 : guest.ipv6 }
    private static let secondAddress = ClusterTopology.node1SecondAddresses

    private static let set = "nodeport-addresses"
    private static let ranges = ["--nodeport-addresses", "10.250.77.0/24,172.30.0.0/24,fd00:10:250::7700/120"]
    private static let all = ["--nodeport-addresses", "all"]

    private struct Bench: Sendable {
        let daemon: DaemonBench
        private let beyond: Servers
        var node: NetworkNamespace { daemon.cluster.node1.namespace }

        init(
            _ options: [String], nodes: String = Manifest.cluster,
            prepare: (ClusterTopology) throws(TestKitError) -> Void = { _ in }
        ) async throws {
            daemon = try await DaemonBench(service, nodes: nodes, options: options, prepare: prepare)
            beyond = try Servers()
            try beyond.open(
                "beyond", in: daemon.cluster.node2.namespace, at: [guest.ipv4, guest.ipv6],
                ports: [DaemonBench.numbers.nodePort], transports: [.tcp])
            try await daemon.waitUntilInLine()
        }

        /// Who answers on the node port of an address; waits until it is the expected one. Nil: nobody.
        func answers(
            _ server: String?, at address: IPAddress, within timeLimit: Duration = .seconds(10)
        ) async throws -> Bool {
            let probe = Probe(
                .tcp, to: HostPort(address, DaemonBench.numbers.nodePort), timeLimit: .milliseconds(500))
            return try await eventually(within: timeLimit) {
                let outcome = try await daemon.cluster.client.namespace.probe([probe])[0]
                return outcome.answer?.server == server
            }
        }

        /// Waits until the kernel's set of addresses holds these and not those.
        func accepts(
            _ family: IPFamily, _ present: [String], butNot absent: [String], within timeLimit: Duration = .seconds(10)
        ) async throws -> Bool {
            try await eventually(within: timeLimit) {
                let elements = try await NFT(node).elements(of: set, family)
                return Set(elements).isSuperset(of: present) && Set(elements).isDisjoint(with: absent)
            }
        }
    }

    @Test(
        "node ports are served on a new address within a second, and no longer on one that went",
        arguments: [ranges, all], IPFamily.allCases)
    func comeAndGo(_ options: [String], _ family: IPFamily) async throws {
        let bench = try await Bench(options)
        let address = Self.guest(family)
        #expect(try await bench.answers("beyond", at: address), "\(bench.daemon.daemon.output)")
        let monitor = try await RulesetMonitor(bench.node)
        let prefix = family == .ipv4 ? "32" : "128"
        for _ in 0..<2 {
            try bench.node.ip(["address add \(address)/\(prefix) dev eth1" + (family == .ipv6 ? " nodad" : "")])
            let isServed = try await bench.answers("local-1", at: address, within: .seconds(1))
            #expect(isServed, "\(bench.daemon.daemon.output)")
            try bench.node.ip(["address delete \(address)/\(prefix) dev eth1"])
            let isLeft = try await bench.answers("beyond", at: address, within: .seconds(1))
            #expect(isLeft, "\(bench.daemon.daemon.output)")
        }
        // Nothing but this address was touched.
        let table = family == .ipv4 ? "ip" : "ip6"
        let changes = try await monitor.changes()
        let expected = ["add", "delete", "add", "delete"].map { verb in
            Set([Self.set, "frontend-addresses"].map { "\(verb) element \(table) fairlead \($0) { \(address) }" })
        }
        #expect(
            stride(from: 0, to: changes.count, by: 2).map { Set(changes[$0..<min($0 + 2, changes.count)]) } == expected)
    }

    @Test("primary ignores all addresses but the one of the Node object, and follows that")
    func primary() async throws {
        let bench = try await Bench([])
        let monitor = try await RulesetMonitor(bench.node)
        try bench.node.ip([
            "address add \(Self.guest.ipv4)/32 dev eth1", "address add \(Self.guest.ipv6)/128 dev eth1 nodad",
        ])
        try await Task.sleep(for: .milliseconds(500))
        #expect(try await monitor.changes() == [])
        for family in IPFamily.allCases { #expect(try await bench.answers(nil, at: Self.guest(family))) }
        let moved = Manifest.node("node1", Self.secondAddress.map(\.description))
        try bench.daemon.directory.write(Manifest.documents([moved, Manifest.others]), to: "cluster.yaml")
        for family in IPFamily.allCases {
            let second = Self.secondAddress[family == .ipv4 ? 0 : 1]
            #expect(try await bench.answers("local-1", at: second), "\(bench.daemon.daemon.output)")
            #expect(try await bench.answers(nil, at: bench.daemon.cluster.node1.address(family)))
        }
    }

    @Test("without a Node object primary is the address of the default route, and follows it")
    func defaultRoute() async throws {
        let bench = try await Bench([], nodes: Manifest.others)
        let (first, second) = (bench.daemon.cluster.node1, Self.secondAddress)
        for family in IPFamily.allCases { #expect(try await bench.answers("local-1", at: first.address(family))) }
        try bench.node.ip(["route replace default via 172.30.0.1 src \(second[0])"])
        try bench.node.ip(["route add default via fd00:172:30::1 src \(second[1]) metric 10"])
        for family in IPFamily.allCases {
            #expect(try await bench.answers("local-1", at: second[family == .ipv4 ? 0 : 1]))
            #expect(try await bench.answers(nil, at: first.address(family)))
        }
    }

    @Test("an interface that goes down takes its addresses along, and brings them back")
    func link() async throws {
        let bench = try await Bench(Self.all)
        // IPv6 addresses are removed and recreated with the interface, and that is told; IPv4 ones stay where they are.
        try bench.node.setParameters([("ipv6/conf/eth1/disable_ipv6", "1")])
        let (kept, lost) = ("172.30.0.11", "172.31.0.11")
        #expect(try await bench.accepts(.ipv4, [kept, lost], butNot: []))
        try bench.node.ip(["link set eth1 down"])
        #expect(try await bench.accepts(.ipv4, [kept], butNot: [lost], within: .seconds(1)))
        try bench.node.ip(["link set eth1 up"])
        #expect(try await bench.accepts(.ipv4, [kept, lost], butNot: [], within: .seconds(1)))
    }

    @Test("loopback never serves node ports, even within a range, and a warning says so")
    func loopback() async throws {
        let options = ["--nodeport-addresses", "127.0.0.0/8,::1/128,172.30.0.0/24,fd00:172:30::/64"]
        let bench = try await Bench(options)
        for range in ["127.0.0.0/8", "::1/128"] {
            try await bench.daemon.daemon.waitForOutput("\(range) holds loopback addresses")
        }
        #expect(try await NFT(bench.node).elements(of: Self.set, .ipv4) == ["172.30.0.11"])
        #expect(try await NFT(bench.node).elements(of: Self.set, .ipv6) == ["fd00:172:30::11"])
        let port = DaemonBench.numbers.nodePort
        let probes = (["127.0.0.1", "::1"] as [IPAddress]).map { Probe(.tcp, to: HostPort($0, port)) }
        for outcome in try await bench.node.probe(probes) { #expect(outcome == .refused(.reset)) }
        for family in IPFamily.allCases {
            #expect(try await bench.answers("local-1", at: bench.daemon.cluster.node1.address(family)))
        }
    }

    @Test("a warning is for ranges that single loopback out, not for whole families")
    func noWarning() async throws {
        let bench = try await Bench(["--nodeport-addresses", "0.0.0.0/0,::/0"])
        #expect(!bench.daemon.daemon.output.contains("loopback"))
        #expect(try await bench.accepts(.ipv4, ["172.30.0.11", "172.31.0.11"], butNot: ["127.0.0.1"]))
    }

    @Test("a warning says that a family without a range is open", arguments: IPFamily.allCases)
    func openFamily(_ family: IPFamily) async throws {
        let other = family == .ipv4 ? "fd00:172:30::/64" : "172.30.0.0/24"
        let bench = try await Bench(["--nodeport-addresses", other])
        try await bench.daemon.daemon.waitForOutput("no range of \(family): node ports are served on all its addresses")
        let (first, second) = (bench.daemon.cluster.node1.address(family), Self.secondAddress[family == .ipv4 ? 0 : 1])
        #expect(
            try await bench.accepts(family, [first.description, second.description], butNot: ["127.0.0.1", "::1"]))
        // It is followed as well.
        let address = Self.guest(family)
        try bench.node.ip(["address add \(address)/\(family == .ipv4 ? "32" : "128 nodad") dev eth1"])
        #expect(try await bench.answers("local-1", at: address))
        #expect(bench.daemon.daemon.output.ranges(of: "no range of").count == 1)
    }

    @Test(
        "a Node without an address of one family: node ports of it are on all addresses, and a warning says so",
        arguments: IPFamily.allCases)
    func familyWithoutPrimary(_ family: IPFamily) async throws {
        let other: IPFamily = family == .ipv4 ? .ipv6 : .ipv4
        let own = Manifest.node("node1", [other == .ipv4 ? "172.30.0.11" : "fd00:172:30::11"])
        try await Self.expectAllAddresses(
            of: family, but: other, in: try await Bench([], nodes: Manifest.documents([own, Manifest.others])),
            because: "Node node1: status.addresses: has no address of \(family)")
    }

    @Test("a bindAddress of 127.0.0.1 or ::1: node ports of the family are on all addresses, and a warning says so")
    func loopbackBindAddress() async throws {
        for family in IPFamily.allCases {
            let address = family == .ipv4 ? "127.0.0.1" : "::1"
            try await Self.expectAllAddresses(
                of: family, but: family == .ipv4 ? .ipv6 : .ipv4, in: try await Bench(["--bind-address", address]),
                because: "Node node1: --bind-address \(address) is a loopback address")
        }
    }

    /// Connections from outside to each of the node's addresses, in both families.
    private static func expectAllAddresses(
        of family: IPFamily, but other: IPFamily, in bench: Bench, because reason: String
    ) async throws {
        let output = { bench.daemon.daemon.output }
        try await bench.daemon.daemon.waitForOutput("\(reason): node ports are served on all addresses of \(family)")
        let (first, second) = (bench.daemon.cluster.node1, secondAddress)
        #expect(try await bench.answers("local-1", at: first.address(family)), "\(output())")
        #expect(try await bench.answers("local-1", at: second[family == .ipv4 ? 0 : 1]), "\(output())")
        // The other family keeps to its primary address.
        #expect(try await bench.answers("local-1", at: first.address(other)), "\(output())")
        #expect(try await bench.answers(nil, at: second[other == .ipv4 ? 0 : 1]), "\(output())")
        // New addresses are followed, loopback never serves.
        let address = guest(family)
        try bench.node.ip(["address add \(address)/\(family == .ipv4 ? "32" : "128 nodad") dev eth1"])
        #expect(try await bench.answers("local-1", at: address), "\(output())")
        #expect(try await bench.accepts(family, [], butNot: ["127.0.0.1", "::1"]))
    }

    @Test("all leaves link-local addresses out")
    func linkLocal() async throws {
        let bench = try await Bench(Self.all)
        let own = try await bench.node.execute(Program("ip", ["-6", "address", "show", "scope", "link"]))
        #expect(own.standardOutput.contains("inet6 fe80:"), "the node has link-local addresses: \(own)")
        try bench.node.ip(["address add 169.254.7.7/16 dev eth1", "address add 172.31.0.78/24 dev eth1"])
        #expect(try await bench.accepts(.ipv4, ["172.31.0.78"], butNot: ["169.254.7.7"]))
        let elements = try await NFT(bench.node).elements(of: Self.set, .ipv6)
        #expect(elements.contains("fd00:172:31::11") && !elements.contains { $0.hasPrefix("fe80") })
    }

    @Test("an IPv6 address serves once it is no longer tentative, a deprecated one serves")
    func tentative() async throws {
        let bench = try await Bench(Self.all)
        try bench.node.setParameters([("ipv6/conf/eth1/accept_dad", "1"), ("ipv6/conf/eth1/dad_transmits", "3")])
        try bench.node.ip([
            "address add fd00:172:31::77/64 dev eth1",
            "address add fd00:172:31::78/64 dev eth1 nodad preferred_lft 0",
        ])
        // Detection takes three seconds.
        let isDeprecatedServed = try await bench.accepts(
            .ipv6, ["fd00:172:31::78"], butNot: ["fd00:172:31::77"], within: .seconds(1))
        #expect(isDeprecatedServed, "\(bench.daemon.daemon.output)")
        #expect(try await bench.accepts(.ipv6, ["fd00:172:31::77", "fd00:172:31::78"], butNot: []))
        #expect(try await bench.answers("local-1", at: "fd00:172:31::77"))
    }
}
