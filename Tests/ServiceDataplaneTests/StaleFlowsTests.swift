import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy
import Testing

@testable import ServiceDataplane

/// Which flows a change makes stale. Endpoints are `10.1.0.N:53`, the Service is at `10.96.0.1`, port 53 and node port
/// 30053, the node at `172.30.0.11`.
@Suite struct StaleFlowsTests {
    private static let key = ObjectKey(namespace: "default", name: "dns")
    private static let node: Set<IPAddress> = [address("172.30.0.11"), address("fd00::11")]
    private static let client = Backend(address: address("192.0.2.1"), port: 1000)
    private static let frontends = [
        Frontend(kind: .clusterIP, address: address("10.96.0.1"), port: 53),
        Frontend(kind: .nodePort, address: nil, port: 30053),
    ]

    private static func address(_ text: String) -> IPAddress {
        guard let address = IPAddress(text) else { preconditionFailure("\(text) is not an address") }
        return address
    }

    private static func endpoint(_ number: Int) -> Backend { Backend(address: address("10.1.0.\(number)"), port: 53) }

    private static func service(
        _ endpoints: [Int], frontends: [Frontend] = frontends, transport: TransportProtocol = .udp, pool: [Int]? = nil,
        key: ObjectKey = key, created: String = ""
    ) -> (key: ObjectKey, resolved: ResolvedService?) {
        var port = ResolvedServicePort(name: "dns", transport: transport, family: .ipv4)
        port.frontends = frontends
        port.usable = endpoints.map(endpoint)
        port.clusterPool = (pool ?? endpoints).map(endpoint)
        return (key, ResolvedService(key: key, creationTimestamp: created, ports: [port]))
    }

    /// What a change makes of flows, after another one that has been dealt with.
    private static func flows(
        from before: [(key: ObjectKey, resolved: ResolvedService?)],
        to after: [(key: ObjectKey, resolved: ResolvedService?)]
    ) -> StaleFlows {
        var dataplane = Dataplane(options: DataplaneOptions())
        _ = dataplane.update(before)
        var flows = dataplane.update(after).effects.staleFlows
        flows.nodePortAddresses = node
        return flows
    }

    /// A flow: `destination:port > target:port`.
    private static func flow(
        _ text: String, _ transport: TransportProtocol = .udp, from source: Backend = client, zone: UInt16 = 0
    ) -> TrackedFlow {
        let ends = text.split(separator: " > ").map { end in
            let colon = end.lastIndex(of: ":") ?? end.startIndex
            return (address(String(end[..<colon])), UInt16(end[end.index(after: colon)...]) ?? 0)
        }
        return TrackedFlow(
            transport, from: source.address, source.port, to: ends[0].0, ends[0].1, target: ends[1].0, ends[1].1,
            zone: zone)
    }

    private static let untranslated = "10.96.0.1:53 > 10.96.0.1:53"
    private static let untranslatedNodePort = "172.30.0.11:30053 > 172.30.0.11:30053"
    private static func toEndpoint(_ number: Int) -> String { "10.96.0.1:53 > 10.1.0.\(number):53" }
    private static func nodePortToEndpoint(_ number: Int) -> String { "172.30.0.11:30053 > 10.1.0.\(number):53" }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var before: [Int]?
        var after: [Int]?
        var stale: [String]
        var live: [String]
        var isEmpty = false
    }

    private static let cases: [Case] = [
        Case(
            testDescription: "an endpoint goes: its flows go, also through the node port", before: [1, 2], after: [2],
            stale: [toEndpoint(1), nodePortToEndpoint(1), untranslated, toEndpoint(9)],
            live: [toEndpoint(2), nodePortToEndpoint(2)]),
        Case(
            testDescription: "the first endpoint comes: untranslated flows go", before: [], after: [1],
            stale: [untranslated, untranslatedNodePort], live: [toEndpoint(1), nodePortToEndpoint(1)]),
        Case(
            testDescription: "the last endpoint goes: translated flows go", before: [1], after: [],
            stale: [toEndpoint(1), nodePortToEndpoint(1)], live: [untranslated, untranslatedNodePort]),
        Case(
            testDescription: "the Service comes: untranslated flows go", before: nil, after: [1],
            stale: [untranslated, untranslatedNodePort, toEndpoint(3)], live: [toEndpoint(1)]),
        Case(
            testDescription: "the Service goes: flows to its endpoints go, others to the address stay", before: [1, 2],
            after: nil, stale: [toEndpoint(1), nodePortToEndpoint(2)],
            live: [untranslated, untranslatedNodePort, toEndpoint(9)]),
        Case(
            testDescription: "another endpoint comes: nothing is looked at", before: [1], after: [1, 2], stale: [],
            live: [toEndpoint(1)], isEmpty: true),
        Case(
            testDescription: "nothing that matters changes: nothing is looked at", before: [1], after: [1], stale: [],
            live: [toEndpoint(1)], isEmpty: true),
    ]

    @Test("a change of endpoints or of the Service", arguments: cases)
    func change(_ test: Case) {
        let flows = Self.flows(
            from: test.before.map { [Self.service($0)] } ?? [],
            to: [test.after.map { Self.service($0) } ?? (key: Self.key, resolved: nil)])
        for text in test.stale { #expect(flows.contains(Self.flow(text)), "\(text)") }
        for text in test.live { #expect(!flows.contains(Self.flow(text)), "\(text)") }
        #expect(flows.isEmpty == test.isEmpty)
    }

    @Test(
        "other addresses, ports and protocols are never touched",
        arguments: [
            "8.8.8.8:30053 > 8.8.8.8:30053", "8.8.8.8:30053 > 10.1.0.1:53", "10.96.0.1:5353 > 10.1.0.1:53",
            "10.96.0.2:53 > 10.1.0.1:53", "172.30.0.11:53 > 10.1.0.1:53", "10.1.0.1:53 > 10.1.0.1:53",
        ])
    func others(_ text: String) {
        let flows = Self.flows(from: [Self.service([1])], to: [Self.service([2])])
        #expect(!flows.contains(Self.flow(text)))
        #expect(!flows.contains(Self.flow(Self.toEndpoint(1), .sctp)))
        #expect(!flows.contains(Self.flow(Self.toEndpoint(1), .tcp)))
        #expect(flows.contains(Self.flow(Self.toEndpoint(1))))
    }

    /// The Service over TCP, whose slices name some endpoints; those of `usable` are usable.
    private static func naming(_ named: [Int]?, usable: [Int]) -> (key: ObjectKey, resolved: ResolvedService?) {
        var (key, resolved) = service(usable, transport: .tcp)
        resolved?.ports[0].flowTargets = named.map { $0.map(endpoint) }
        return (key, resolved)
    }

    @Test("connections to an endpoint that no slice names go, and no others")
    func connections() {
        // One that is not usable is still there: it may be about to end.
        let waiting = Self.flows(from: [Self.naming([1, 2], usable: [1, 2])], to: [Self.naming([1, 2], usable: [1])])
        #expect(waiting.isEmpty)
        for after in [Self.naming([2], usable: [2]), Self.naming([], usable: [])] {
            let flows = Self.flows(from: [Self.naming([1, 2], usable: [1, 2])], to: [after])
            for text in [Self.toEndpoint(1), Self.nodePortToEndpoint(1)] {
                #expect(flows.contains(Self.flow(text, .tcp)) && !flows.contains(Self.flow(text)))
            }
            #expect(flows.contains(Self.flow(Self.toEndpoint(2), .tcp)) == (after.resolved?.ports[0].usable == []))
            for text in [Self.untranslated, Self.untranslatedNodePort] {
                #expect(!flows.contains(Self.flow(text, .tcp)), "\(text)")
            }
            #expect(Set(flows.filters.map(\.transport)) == [.tcp])
        }
        // Who asks no longer, or whose Service is gone, keeps connections; who begins to ask looks once.
        for after in [Self.naming(nil, usable: [2]), (Self.key, nil)] {
            #expect(Self.flows(from: [Self.naming([1, 2], usable: [1, 2])], to: [after]).isEmpty)
        }
        let begun = Self.flows(from: [Self.naming(nil, usable: [1])], to: [Self.naming([2], usable: [2])])
        #expect(begun.contains(Self.flow(Self.toEndpoint(1), .tcp)))
        #expect(!begun.contains(Self.flow(Self.untranslated, .tcp)))
    }

    @Test("an endpoint that comes back while its connections are looked for is live at once")
    func comesBack() {
        var flows = Self.flows(from: [Self.naming([1, 2, 3], usable: [1])], to: [Self.naming([2, 3], usable: [2])])
        let later = Self.flows(from: [Self.naming([2, 3], usable: [2])], to: [Self.naming([1, 2], usable: [2])])
        #expect(flows.contains(Self.flow(Self.toEndpoint(1), .tcp)) && !later.asGrowth.saysNothing)
        #expect(later.asGrowth.isEmpty)
        flows.formUnion(later.asGrowth)
        for number in 1...3 { #expect(!flows.contains(Self.flow(Self.toEndpoint(number), .tcp)), "\(number)") }
        #expect(flows.contains(Self.flow(Self.toEndpoint(4), .tcp)))
    }

    @Test("flows of UDP leave an endpoint that terminates where the Service says so")
    func datagrams() {
        func terminating(_ targets: [Int]?) -> (key: ObjectKey, resolved: ResolvedService?) {
            var (key, resolved) = Self.service([1, 2], pool: [2])
            resolved?.ports[0].flowTargets = targets.map { $0.map(Self.endpoint) }
            return (key, resolved)
        }
        #expect(Self.flows(from: [Self.service([1, 2])], to: [terminating(nil)]).isEmpty)
        var before = Self.service([1, 2])
        before.resolved?.ports[0].flowTargets = [1, 2].map(Self.endpoint)
        let flows = Self.flows(from: [before], to: [terminating([2])])
        #expect(flows.contains(Self.flow(Self.toEndpoint(1))) && !flows.contains(Self.flow(Self.toEndpoint(2))))
    }

    @Test("what is said of connections is cut off, and nothing else")
    func split() {
        var flows = Self.flows(
            from: [Self.service([1], key: ObjectKey(namespace: "a", name: "a")), Self.naming([1], usable: [1])],
            to: [Self.service([2], key: ObjectKey(namespace: "a", name: "a")), Self.naming([2], usable: [2])])
        let connections = flows.takeConnections()
        #expect(flows.contains(Self.flow(Self.toEndpoint(1))) && !flows.contains(Self.flow(Self.toEndpoint(1), .tcp)))
        #expect(connections.contains(Self.flow(Self.nodePortToEndpoint(1), .tcp)))
        #expect(!connections.contains(Self.flow(Self.toEndpoint(1))))
    }

    @Test("TCP is never looked at unless it is asked for, SCTP is")
    func transports() {
        let tcp = Self.flows(from: [Self.service([1], transport: .tcp)], to: [Self.service([2], transport: .tcp)])
        #expect(tcp.isEmpty)
        let sctp = Self.flows(from: [Self.service([1], transport: .sctp)], to: [Self.service([2], transport: .sctp)])
        #expect(sctp.contains(Self.flow(Self.toEndpoint(1), .sctp)))
    }

    @Test("flows to a usable endpoint stay, also when policy and hints would choose others now")
    func outsideThePool() {
        let flows = Self.flows(from: [Self.service([1, 2, 3])], to: [Self.service([1, 2], pool: [2])])
        #expect(!flows.contains(Self.flow(Self.toEndpoint(1))))
        #expect(flows.contains(Self.flow(Self.toEndpoint(3))))
    }

    @Test("an added frontend is looked at alone, a removed one loses its flows")
    func frontends() {
        let clusterIP = Self.frontends.filter { $0.kind == .clusterIP }
        let added = Self.flows(from: [Self.service([1], frontends: clusterIP)], to: [Self.service([1])])
        #expect(added.contains(Self.flow(Self.untranslatedNodePort)))
        #expect(!added.contains(Self.flow(Self.untranslated)))
        let removed = Self.flows(from: [Self.service([1])], to: [Self.service([1], frontends: clusterIP)])
        #expect(removed.contains(Self.flow(Self.nodePortToEndpoint(1))))
        #expect(!removed.contains(Self.flow(Self.nodePortToEndpoint(2))))
        #expect(!removed.contains(Self.flow(Self.untranslatedNodePort)))
        #expect(!removed.contains(Self.flow(Self.toEndpoint(1))))
    }

    @Test("a frontend that moves to another Service may lead to that one's endpoints only", arguments: [false, true])
    func moves(isReversed: Bool) {
        let other = ObjectKey(namespace: "default", name: isReversed ? "a" : "z")
        let flows = Self.flows(
            from: [Self.service([1])],
            to: [(key: Self.key, resolved: nil), Self.service([2], key: other)])
        #expect(flows.contains(Self.flow(Self.toEndpoint(1))))
        #expect(!flows.contains(Self.flow(Self.toEndpoint(2))))
        #expect(flows.contains(Self.flow(Self.untranslated)))
    }

    @Test("of a contested frontend, the Service that serves it has the word")
    func contested() {
        let other = ObjectKey(namespace: "default", name: "younger")
        let both = [Self.service([1], created: "2026-01-01"), Self.service([2], key: other, created: "2026-02-01")]
        let change = Self.flows(from: both, to: [Self.service([3], key: other, created: "2026-02-01")])
        #expect(!change.contains(Self.flow(Self.toEndpoint(1))))
        let inherited = Self.flows(from: both, to: [(key: Self.key, resolved: nil)])
        #expect(inherited.contains(Self.flow(Self.toEndpoint(1))))
        #expect(!inherited.contains(Self.flow(Self.toEndpoint(2))))
    }

    @Test("untranslated flows of other zones stay, translated ones do not")
    func zones() {
        let flows = Self.flows(from: [Self.service([1])], to: [Self.service([2])])
        #expect(!flows.contains(Self.flow(Self.untranslated, zone: 7)))
        #expect(flows.contains(Self.flow(Self.toEndpoint(1), zone: 7)))
    }

    @Test("an untranslated flow the wrong way round goes, once its frontend is served")
    func reversed() {
        let frontend = Backend(address: Self.address("10.96.0.1"), port: 53)
        let answer = Self.flow("192.0.2.1:1000 > 192.0.2.1:1000", from: frontend)
        let coming = Self.flows(from: [Self.service([])], to: [Self.service([1])])
        #expect(coming.contains(answer))
        #expect(!coming.contains(Self.flow("192.0.2.1:1000 > 192.0.2.1:1000", from: Self.endpoint(1))))
        #expect(!coming.contains(Self.flow("192.0.2.1:1000 > 192.0.2.1:1000", from: frontend, zone: 7)))
        #expect(!coming.contains(Self.flow("192.0.2.1:1000 > 192.0.2.2:1000", from: frontend)))
        // A connection of the node's own, from a port that happens to be a node port.
        let own = Backend(address: Self.address("172.30.0.11"), port: 30053)
        #expect(!coming.contains(Self.flow("192.0.2.1:53 > 192.0.2.1:53", from: own)))
        #expect(!Self.flows(from: [Self.service([1])], to: [Self.service([2])]).contains(answer))
    }

    @Test("later changes have the later word")
    func union() {
        var flows = Self.flows(from: [Self.service([1])], to: [Self.service([2])])
        flows.formUnion(Self.flows(from: [Self.service([2])], to: [Self.service([1])]))
        #expect(!flows.contains(Self.flow(Self.toEndpoint(1))))
        #expect(flows.contains(Self.flow(Self.toEndpoint(2))))
        flows.formUnion(Self.flows(from: [Self.service([1])], to: [(key: Self.key, resolved: nil)]))
        #expect(flows.contains(Self.flow(Self.toEndpoint(1))))
        #expect(flows.contains(Self.flow(Self.toEndpoint(2))))
        #expect(!flows.contains(Self.flow(Self.untranslated)))
    }

    @Test("node ports follow the node's addresses")
    func nodeAddresses() {
        var dataplane = Dataplane(options: DataplaneOptions())
        _ = dataplane.update([Self.service([1])])
        var data = NodeData()
        data.nodePortAddresses = [Self.address("172.30.0.12")]
        _ = dataplane.setNode(data)
        let flows = dataplane.staleFlows(formerNodePortAddresses: [Self.address("172.30.0.11")])
        #expect(flows.contains(Self.flow("172.30.0.12:30053 > 172.30.0.12:30053")))
        #expect(flows.contains(Self.flow(Self.nodePortToEndpoint(1))))
        #expect(!flows.contains(Self.flow(Self.untranslatedNodePort)))
        #expect(!flows.contains(Self.flow(Self.untranslated)))
        #expect(dataplane.staleFlows(formerNodePortAddresses: [Self.address("172.30.0.12")]).isEmpty)
    }

    @Test("a look is as narrow as the frontends allow")
    func filters() {
        let clusterIP = Self.frontends.filter { $0.kind == .clusterIP }
        let one = Self.flows(from: [], to: [Self.service([1], frontends: clusterIP)])
        #expect(
            one.filters == [
                FlowFilter(.ipv4, .udp, to: Self.address("10.96.0.1"), port: 53),
                FlowFilter(.ipv4, .udp, to: Self.address("10.96.0.1"), port: 53, isReversed: true),
            ])
        let known = Self.flows(
            from: [Self.service([1], frontends: clusterIP)], to: [Self.service([2], frontends: clusterIP)])
        #expect(known.filters == [FlowFilter(.ipv4, .udp, to: Self.address("10.96.0.1"), port: 53)])
        let both = Self.flows(from: [], to: [Self.service([1])])
        #expect(both.filters == [FlowFilter(.ipv4, .udp)])
        let others = clusterIP + [Frontend(kind: .externalIP, address: Self.address("192.0.2.1"), port: 53)]
        #expect(
            Self.flows(from: [], to: [Self.service([1], frontends: others)]).filters == [
                FlowFilter(.ipv4, .udp, port: 53), FlowFilter(.ipv4, .udp, port: 53, isReversed: true),
            ])
        var nowhere = Self.flows(from: [], to: [Self.service([1], frontends: [Self.frontends[1]])])
        #expect(nowhere.filters == [FlowFilter(.ipv4, .udp, to: Self.address("172.30.0.11"), port: 30053)])
        nowhere.nodePortAddresses = []
        #expect(nowhere.filters == [])
    }

    @Test(
        "what is left to the routes under Local stays while nobody serves it here, and begins again once somebody does")
    func passing() {
        func service(_ endpoints: [Int], local: [Int] = []) -> (key: ObjectKey, resolved: ResolvedService?) {
            let frontend = Frontend(kind: .externalIP, address: Self.address("198.51.100.7"), port: 53)
            var result = Self.service(endpoints, frontends: [frontend])
            result.resolved?.ports[0].noEndpointAction = .pass
            result.resolved?.ports[0].externalPolicy = .local
            result.resolved?.ports[0].localPool = local.map(Self.endpoint)
            return result
        }
        let passed = Self.flow("198.51.100.7:53 > 198.51.100.7:53")
        let gone = Self.flow("198.51.100.7:53 > 10.1.0.1:53")
        let fewer = Self.flows(from: [service([1, 2])], to: [service([2])])
        #expect(!fewer.contains(passed) && fewer.contains(gone))
        #expect(Self.flows(from: [service([2])], to: [service([2, 3], local: [3])]).contains(passed))
        #expect(Self.flows(from: [service([1, 2], local: [1])], to: [service([2], local: [2])]).contains(passed))
    }
}
