import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite struct HealthCheckTests {
    static func service(_ families: [IPFamily] = [.ipv4, .ipv6], port: UInt16 = 30500) -> Service {
        var service = Scenario.service(.ipv4)
        service.clusterIPs = families.map { Scenario.address($0, 100) }
        service.type = .loadBalancer
        service.externalTrafficPolicy = .local
        service.healthCheckNodePort = port
        return service
    }

    static func check(_ service: Service, _ slices: [EndpointSlice]) -> HealthCheck? {
        resolve(service, slices: slices, node: Scenario.node).service.flatMap {
            healthCheck(of: service, resolved: $0, slices: slices, node: Scenario.node)
        }
    }

    static func slice(_ family: IPFamily, name: String = "web-1", _ endpoints: Endpoint...) -> EndpointSlice {
        Scenario.slice(family, name: name, endpoints)
    }

    static let counts: [(String, [EndpointSlice], [IPFamily: Int])] = [
        ("none", [], [.ipv4: 0, .ipv6: 0]),
        (
            "each family counts its own",
            [
                slice(.ipv4, .make(.ipv4, 1, on: "here"), .make(.ipv4, 2, on: "here")),
                slice(.ipv6, name: "web-2", .make(.ipv6, 1, on: "here")),
            ], [.ipv4: 2, .ipv6: 1]
        ),
        ("only here", [slice(.ipv4, .make(.ipv4, 1, on: "there"), .make(.ipv4, 2, on: nil))], [.ipv4: 0, .ipv6: 0]),
        (
            "only ready",
            [
                slice(
                    .ipv4, .make(.ipv4, 1, .terminatingServing, on: "here"), .make(.ipv4, 2, .notReady, on: "here"))
            ], [.ipv4: 0, .ipv6: 0]
        ),
        (
            "an address in two slices is one",
            [
                slice(.ipv4, .make(.ipv4, 1, on: "here")), slice(.ipv4, name: "web-2", .make(.ipv4, 1, on: "here")),
            ], [.ipv4: 1, .ipv6: 0]
        ),
    ]

    @Test("a health check counts the addresses of ready endpoints on this node", arguments: counts)
    func count(_ test: (name: String, slices: [EndpointSlice], expected: [IPFamily: Int])) {
        #expect(Self.check(Self.service(), test.slices)?.localEndpoints == test.expected, "\(test.name)")
    }

    @Test("a pod with two ports is one endpoint of a health check")
    func twoPorts() {
        var service = Self.service([.ipv4])
        service.ports = [ServicePort(name: "a", port: 80), ServicePort(name: "b", port: 81)]
        var slice = Self.slice(.ipv4, .make(.ipv4, 1, on: "here"))
        slice.ports = [EndpointPort(name: "a", port: 8080), EndpointPort(name: "b", port: 8081)]
        #expect(Self.check(service, [slice])?.localEndpoints == [.ipv4: 1])
    }

    @Test("only type LoadBalancer with external policy Local has a health check port")
    func conditions() {
        #expect(Self.check(Self.service(), [])?.port == 30500)
        #expect(Self.check(Self.service(port: 0), []) == nil)
        var service = Self.service()
        service.externalTrafficPolicy = .cluster
        #expect(Self.check(service, []) == nil)
        service = Self.service()
        service.type = .nodePort
        #expect(Self.check(service, []) == nil)
    }

    static func claim(_ name: String, created: String, port: UInt16 = 30500) -> HealthCheck {
        HealthCheck(
            key: ObjectKey(namespace: "default", name: name), creationTimestamp: created, port: port,
            localEndpoints: [.ipv4: 1])
    }

    @Test("of two Services with one health check port the older one has it, and a finding says so")
    func contested() {
        var ledger = ServiceLedger()
        let (young, old) = (Self.claim("young", created: "2026-02"), Self.claim("old", created: "2026-01"))
        ledger.record(young.key, check: young, gaps: [:])
        #expect(ledger.healthChecks == [30500: young])
        #expect(ledger.findings.isEmpty)
        ledger.record(old.key, check: old, gaps: [:])
        #expect(ledger.healthChecks == [30500: old])
        #expect(ledger.findings.map(\.subject?.key) == [young.key])
        #expect(ledger.findings.first?.code == "contested-health-check-port")
        ledger.record(old.key, check: Self.claim("old", created: "2026-01", port: 30501), gaps: [:])
        #expect(ledger.healthChecks.mapValues(\.key.name) == [30500: "young", 30501: "old"])
        ledger.removeAll(except: [young.key])
        #expect(ledger.healthChecks == [30500: young])
        ledger.record(young.key, check: nil, gaps: [:])
        #expect(ledger.healthChecks.isEmpty)
        #expect(ledger.findings.isEmpty)
    }

    @Test("a health check port that is a TCP node port is a finding, until one of the two goes")
    func nodePort() {
        let web = Self.claim("web", created: "2026-02")
        let (young, old) = (
            ObjectKey(namespace: "default", name: "a"), ObjectKey(namespace: "default", name: "b")
        )
        var ledger = ServiceLedger()
        func isNews() -> Bool { ledger.takeContestNews() }
        ledger.record(young, check: nil, gaps: [:], tcpNodePorts: [30080, 30500], creationTimestamp: "2026-03")
        #expect(!isNews())
        ledger.record(web.key, check: web, gaps: [:], tcpNodePorts: [30081], creationTimestamp: "2026-02")
        #expect(isNews())
        #expect(ledger.findings.map(\.code) == ["contested-health-check-port"])
        #expect(ledger.findings.map(\.subject?.key) == [web.key])
        #expect(ledger.findings.first?.message.contains("30500 is a TCP node port of default/a") == true)
        ledger.record(old, check: nil, gaps: [:], tcpNodePorts: [30500], creationTimestamp: "2026-01")
        #expect(isNews())
        #expect(ledger.findings.first?.message.contains("default/b") == true)
        ledger.record(old, check: nil, gaps: [:])
        ledger.record(young, check: nil, gaps: [:], tcpNodePorts: [30080], creationTimestamp: "2026-03")
        #expect(isNews())
        #expect(ledger.findings.isEmpty)
        ledger.record(web.key, check: web, gaps: [:], tcpNodePorts: [30500], creationTimestamp: "2026-02")
        #expect(ledger.findings.first?.message.contains("of the Service itself") == true)
        #expect(ledger.healthChecks == [30500: web])
    }

    @Test("ports without a local endpoint under a Local policy are counted, those without any endpoint are not")
    func gaps() {
        var service = Self.service([.ipv4])
        service.internalTrafficPolicy = .local
        let there = [Self.slice(.ipv4, .make(.ipv4, 1, on: "there"))]
        let gaps = resolve(service, slices: there, node: Scenario.node).service?.localGaps
        let (inside, outside) = (
            LocalGap(family: .ipv4, isExternal: false), LocalGap(family: .ipv4, isExternal: true)
        )
        #expect(gaps == [inside: 1, outside: 1])
        #expect(resolve(service, slices: [], node: Scenario.node).service?.localGaps == [:])
        var ledger = ServiceLedger()
        ledger.record(service.key, check: nil, gaps: gaps ?? [:])
        ledger.record(service.key, check: nil, gaps: [outside: 1])
        #expect(ledger.localGaps == [inside: 0, outside: 1])
    }

    @Test("What changed is told once: the answers that are other ones, and whether findings may be")
    func changesOfTheLedger() {
        let (one, two) = (Self.claim("one", created: "2026-01"), Self.claim("two", created: "2026-02", port: 30501))
        let moved = Self.claim("two", created: "2026-02")
        let steps: [(key: ObjectKey, check: HealthCheck?, changes: [UInt16: HealthCheck?], isContest: Bool)] = [
            (one.key, one, [30500: one], false), (two.key, two, [30501: two], false), (one.key, one, [:], false),
            (two.key, moved, [30501: nil as HealthCheck?], true), (two.key, moved, [:], false),
            (one.key, nil, [30500: moved], true), (two.key, moved, [:], false),
        ]
        var ledger = ServiceLedger()
        for step in steps {
            ledger.record(step.key, check: step.check, gaps: [:])
            let changes = ledger.takeChangedHealthChecks()
            let isContest = ledger.takeContestNews()
            #expect(changes == step.changes)
            #expect(isContest == step.isContest)
            let again = (ledger.takeChangedHealthChecks(), ledger.takeContestNews())
            #expect(again.0.isEmpty && !again.1)
        }
    }
}
