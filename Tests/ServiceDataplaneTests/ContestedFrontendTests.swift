import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

@Suite("Frontends that several Services claim")
struct ContestedFrontendTests {
    private func service(_ name: String, created: String, endpoint: Int) -> ResolvedService {
        Scene.service(name, created: created, Scene.port(.ipv4, cluster: [endpoint]))
    }

    private func owners(_ fixture: Fixture) -> [String] {
        fixture.ruleset.elements(.ipv4, "services-1").values.compactMap(\.comment).sorted()
    }

    @Test("The oldest serves, in whatever order they come")
    func oldest() throws {
        let all = [
            service("new", created: "2024-02-02", endpoint: 1), service("old", created: "2024-01-01", endpoint: 2),
            service("newest", created: "2024-03-03", endpoint: 3),
        ]
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            var fixture = try Fixture()
            for index in order { try fixture.put(all[index]) }
            #expect(owners(fixture) == ["default/old"])
            #expect(fixture.elements()["endpoints"] == ["10.0.0.1 . tcp . 80 . 0 : 10.0.1.2 . 8080"])
            // Their endpoints are live ones all the same.
            #expect(fixture.elements()["backends"]?.count == 3)
        }
    }

    @Test("Of the same age, the first by name serves")
    func sameAge() throws {
        var fixture = try Fixture()
        try fixture.put(service("b", created: "", endpoint: 1), service("a", created: "", endpoint: 2))
        #expect(owners(fixture) == ["default/a"])
    }

    @Test("The finding is the loser's and names both")
    func finding() throws {
        var fixture = try Fixture()
        try fixture.put(service("old", created: "2024-01-01", endpoint: 1))
        let delta = try fixture.put(service("new", created: "2024-02-02", endpoint: 2))
        let finding = try #require(delta.effects.findings.first)
        #expect(delta.effects.findings.count == 1)
        #expect(finding.subject == ObjectID(kind: .service, key: Scene.key("new")))
        #expect(finding.code == "contested-frontend" && finding.severity == .error)
        #expect(finding.message.contains("10.0.0.1 tcp port 80") && finding.message.contains("default/old"))
        #expect(finding.description.contains("default/new"))
    }

    @Test("A newcomer that is older takes over, and the one that had it gets the finding")
    func takeover() throws {
        var fixture = try Fixture()
        try fixture.put(service("new", created: "2024-02-02", endpoint: 1))
        let delta = try fixture.put(service("old", created: "2024-01-01", endpoint: 2))
        #expect(owners(fixture) == ["default/old"])
        #expect(delta.effects.findings.map(\.subject?.key) == [Scene.key("new")])
    }

    @Test("When the winner goes, or leaves the frontend, the next one gets it")
    func succession() throws {
        var fixture = try Fixture()
        try fixture.put(
            service("a", created: "1", endpoint: 1), service("b", created: "2", endpoint: 2),
            service("c", created: "3", endpoint: 3))
        let delta = try fixture.remove("a")
        #expect(owners(fixture) == ["default/b"])
        // The one that still loses is told of its new rival.
        #expect(delta.effects.findings.map(\.subject?.key) == [Scene.key("c")])
        #expect(delta.effects.findings.allSatisfy { $0.message.contains("default/b") })
        try fixture.put(Scene.service("b", created: "2", Scene.port(.ipv4, clusterIP: 9, cluster: [2])))
        #expect(owners(fixture) == ["default/b", "default/c"])
        #expect(fixture.slots(Scene.frontend(Scene.address(.ipv4, 0, 1), 80)).count == 1)
        try fixture.remove("c")
        try fixture.remove("b")
        #expect(fixture.elements() == [:])
    }

    @Test("The update says which Services its findings stand for, so that old ones can be forgotten")
    func settled() throws {
        var fixture = try Fixture()
        try fixture.put(service("a", created: "1", endpoint: 1), service("b", created: "2", endpoint: 2))
        let delta = try fixture.remove("a")
        #expect(delta.effects.findings.isEmpty)
        #expect(delta.effects.settled == [Scene.key("a"), Scene.key("b")])
    }

    @Test("A Service whose creation time changes is ranked again")
    func rerank() throws {
        var fixture = try Fixture()
        try fixture.put(service("a", created: "1", endpoint: 1), service("b", created: "2", endpoint: 2))
        try fixture.put(service("a", created: "3", endpoint: 1))
        #expect(owners(fixture) == ["default/b"])
    }

    @Test("Node ports of one number are contested in each family and protocol alone")
    func nodePorts() throws {
        func service(_ name: String, _ family: IPFamily, _ transport: TransportProtocol) -> ResolvedService {
            var port = ResolvedServicePort(name: "", transport: transport, family: family)
            port.frontends = [Frontend(kind: .nodePort, address: nil, port: 30000)]
            return Scene.service(name, port)
        }
        var fixture = try Fixture()
        let delta = try fixture.put(
            service("a", .ipv4, .tcp), service("b", .ipv6, .tcp), service("c", .ipv4, .udp), service("d", .ipv4, .tcp))
        #expect(delta.effects.findings.map(\.subject?.key) == [Scene.key("d")])
        #expect(delta.effects.findings.first?.message.hasPrefix("node port 30000 tcp ") == true)
        #expect(delta.effects.findings.first?.field == "spec.ports[].nodePort")
        #expect(fixture.ruleset.elements(.ipv4, "reject-nodeports").count == 2)
        #expect(fixture.ruleset.elements(.ipv6, "reject-nodeports").count == 1)
    }

    @Test("The same address is one frontend, whichever field it comes from")
    func kinds() throws {
        var fixture = try Fixture()
        var external = ResolvedServicePort(name: "", transport: .tcp, family: .ipv4)
        external.frontends = [Frontend(kind: .externalIP, address: Scene.address(.ipv4, 0, 1), port: 80)]
        let delta = try fixture.put(
            Scene.service("b", created: "2", external), service("a", created: "1", endpoint: 1))
        #expect(delta.effects.findings.map(\.subject?.key) == [Scene.key("b")])
        #expect(fixture.elements()["reject-services"] == nil)
    }
}
