import FairleadTestKit
import NetworkTypes
import Testing

extension Scenario {
    /// A Service whose load balancer addresses are open to some ranges.
    static func restricted(
        _ name: String, _ ranges: [String], endpoints: [EndpointShape] = [.ready("local-1"), .ready("remote-1")],
        byAnnotation: Bool = false, expectations: [Expectation]
    ) -> Scenario {
        Scenario(
            name: name, endpoints: endpoints,
            adjust: { objects, _ in
                if byAnnotation {
                    let value = ranges.joined(separator: ", ")
                    objects.service.annotations["service.beta.kubernetes.io/load-balancer-source-ranges"] = value
                } else {
                    let list = ranges.map { "\"\($0)\"" }.joined(separator: ", ")
                    objects.service.extra.append("loadBalancerSourceRanges: [\(list)]")
                }
            },
            expectations: expectations)
    }
}

private let both = ["local-1", "remote-1"]
private let open = Verdict.answered(both, sees: .node)
private let loadBalancer: [Target] = [.loadBalancerIP]

/// `loadBalancerSourceRanges`.
let sourceRangeScenarios: [Scenario] = [
    .restricted(
        "ranges with one client and one pod",
        ["198.51.100.10/32", "10.128.1.99/32", "2001:db8:100::10/128", "fd00:10:128:1::99/128"],
        expectations: [
            .from(["client", "local-caller"], to: loadBalancer, open),
            .from(["second-client", "remote-caller", "node1", "local-1"], to: loadBalancer, .dropped),
            .from(["second-client", "remote-caller", "node1"], to: [.nodePort, .externalIP], open),
            .from(["second-client", "node1"], to: [.clusterIP], open),
        ]),
    .restricted(
        "ranges by the legacy annotation", ["198.51.100.10/32", "2001:db8:100::10/128"], byAnnotation: true,
        expectations: [
            .from(["client"], to: loadBalancer, open), .from(["second-client", "node1"], to: loadBalancer, .dropped),
        ]),
    .restricted(
        "ranges without endpoints", ["198.51.100.10/32", "2001:db8:100::10/128"], endpoints: [],
        expectations: [
            .from(["client"], to: loadBalancer, .rejected), .from(["second-client"], to: loadBalancer, .dropped),
            .from(["second-client"], to: [.externalIP], .rejected),
        ]),
    .restricted(
        "ranges that overlap or touch",
        [
            "198.51.100.8/30", "198.51.100.10/31", "198.51.100.10/32", "10.128.1.0/25", "10.128.1.128/25",
            "2001:db8:100::10/127", "2001:db8:100::10/128", "fd00:10:128:1::/65", "fd00:10:128:1:8000::/65",
        ],
        expectations: [
            .from(["client", "second-client", "local-caller"], to: loadBalancer, open),
            .from(["remote-caller", "node1"], to: loadBalancer, .dropped),
        ]),
    .restricted(
        "ranges of IPv6 only", ["2001:db8:100::10/128"],
        expectations: [
            .from(["second-client", "node1"], to: loadBalancer, open, families: [.ipv4]),
            .from(["client"], to: loadBalancer, open),
            .from(["second-client", "node1"], to: loadBalancer, .dropped, families: [.ipv6]),
        ]),
    .restricted(
        "a range of length 0", ["0.0.0.0/0", "198.51.100.10/32", "2001:db8:100::10/128", "::/0"],
        expectations: [.from(["second-client", "local-caller", "node1"], to: loadBalancer, open)]),
    .restricted(
        "ranges that together are everything", ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"],
        expectations: [.from(["second-client", "local-caller", "node1"], to: loadBalancer, open)]),
    .restricted(
        "a range with nobody in it", ["255.0.0.0/32", "ff00::/128"],
        expectations: [.from(["client", "local-caller", "node1"], to: loadBalancer, .dropped)]),
    .restricted(
        "a range with the node in it", ["172.30.0.11/32", "fd00:172:30::11/128"],
        expectations: [
            .from(["node1"], to: loadBalancer, open), .from(["client", "local-caller"], to: loadBalancer, .dropped),
        ]),
    .restricted(
        "ranges that are all unusable let nobody in", ["198.51.100.10", "10.0.0.0/33", "2001:db8:100::10"],
        expectations: [
            .from(["client", "second-client", "local-caller", "node1"], to: loadBalancer, .dropped),
            .from(["client", "second-client"], to: [.clusterIP, .nodePort, .externalIP], open),
        ]),
    .restricted(
        "a range that is unusable does not cost the others",
        ["198.51.100.10", "198.051.100.010/32", "2001:db8:100::10/128", "::/129"],
        expectations: [
            .from(["client"], to: loadBalancer, open), .from(["second-client", "node1"], to: loadBalancer, .dropped),
        ]),
]

@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct SourceRangeTests {
    @Test("ranges that change or go act at once", arguments: Mode.allCases)
    func changes(_ mode: Mode) async throws {
        func scenario(_ ranges: [String]) -> Scenario { .restricted("changing", ranges, expectations: []) }
        let bench = try await Bench(mode, [scenario([])])
        let steps: [([String], first: Verdict, second: Verdict)] = [
            ([], open, open), (["198.51.100.10/32", "2001:db8:100::10/128"], open, .dropped),
            (["198.51.100.11/32", "2001:db8:100::11/128"], .dropped, open),
            (["198.51.100.8/29", "2001:db8:100::/64"], open, open),
            (["198.51.100.10/32", "2001:db8:100::10/128", "10.0.0.0/8", "fd00::/8"], open, .dropped), ([], open, open),
        ]
        for (ranges, first, second) in steps {
            try await bench.show([scenario(ranges)])
            let name = "\(ranges)"
            try await bench.check(name, .from(["client"], to: loadBalancer, first))
            try await bench.check(name, .from(["second-client"], to: loadBalancer, second))
        }
    }

    @Test("a node within the ranges may have a load balancer address as its own source", arguments: Mode.allCases)
    func ownAddress(_ mode: Mode) async throws {
        func scenario(_ ranges: [String]) -> Scenario { .restricted("own", ranges, expectations: []) }
        let bench = try await Bench(mode, [scenario(["172.30.0.0/24", "fd00:172:30::/64"])])
        let numbers = Numbers(index: 1)
        let addresses = numbers.loadBalancerIPs
        let lines = ["address add \(addresses[0])/32 dev lo", "address add \(addresses[1])/128 dev lo nodad"]
        let program = Program("ip", ["-batch", "-"], input: lines.joined(separator: "\n") + "\n")
        try await bench.cluster.node1.namespace.execute(program).requireSuccess()
        func outcomes() async throws -> [Outcome] {
            let probes = zip(IPFamily.allCases, addresses).map { family, address in
                Probe(
                    .tcp, to: Target.loadBalancerIP.destination(numbers, family),
                    source: IPAddress(stringLiteral: address), timeLimit: .seconds(2))
            }
            return try await bench.cluster.node1.namespace.probe(probes)
        }
        #expect(try await outcomes().allSatisfy { $0.answer != nil })
        try await bench.show([scenario(["172.30.0.12/32", "fd00:172:30::12/128"])])
        #expect(try await outcomes() == [.timedOut, .timedOut])
    }

    @Test("a finding says that ranges of one family leave the other open", arguments: Mode.allCases)
    func finding(_ mode: Mode) async throws {
        let bench = try await Bench(mode, [.restricted("half", ["2001:db8:100::10/128"], expectations: [])])
        let complaints = try await bench.complaints()
        #expect(complaints.contains("loadBalancerSourceRanges") && complaints.contains("IPv4"), "\(complaints)")
    }
}
