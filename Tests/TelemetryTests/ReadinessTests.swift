import KubernetesModel
import Telemetry
import Testing

/// Whether a node should be announced.
@Suite struct ReadinessTests {
    private static func moment(_ seconds: Double) -> Moment {
        Moment(microseconds: Int64(seconds * 1_000_000), uptime: .seconds(seconds))
    }

    private static var health: HealthState {
        var health = HealthState()
        health.applied(at: moment(10))
        return health
    }

    private static func network(here: (Int, Int) = (3, 3), elsewhere: (Int, Int) = (3, 3)) -> NodeNetwork {
        var network = NodeNetwork()
        (network.here.count, network.here.reachable) = here
        (network.elsewhere.count, network.elsewhere.reachable) = elsewhere
        network.here.example = "10.1.0.1 has none"
        return network
    }

    private static func failing(
        _ health: HealthState = health, _ troubles: Troubles = Troubles(), _ network: NodeNetwork? = network(),
        patience: Duration? = .seconds(600), at seconds: Double = 20
    ) -> [String] {
        Readiness(health, troubles, network: network, patience: patience, at: moment(seconds)).checks
            .filter { !$0.holds }.map(\.name)
    }

    @Test("everything has to hold, and each that does not is named")
    func checks() {
        #expect(Self.failing() == [])
        #expect(Self.failing(HealthState()) == ["dataplane", "objects"])
        #expect(Self.failing(Self.health, Troubles(), nil) == ["network"])
        var late = Self.health
        late.queued(at: Self.moment(100))
        #expect(Self.failing(late, at: 159) == [] && Self.failing(late, at: 160) == ["dataplane"])
        for eligibility in [NodeEligibility.beingDeleted, .tainted, .draining("a/b"), .absent] {
            var health = Self.health
            health.eligibility = eligibility
            #expect(Self.failing(health) == ["node"])
        }
    }

    @Test("the API server may be silent for a while, or for ever")
    func silence() {
        var troubles = Troubles()
        troubles.note(.source, of: "services", "services cannot be followed: connection refused", at: Self.moment(100))
        troubles.note(.manifest, of: "x.yaml", "cannot be read", at: Self.moment(1))
        #expect(Self.failing(Self.health, troubles, at: 699) == [])
        #expect(Self.failing(Self.health, troubles, at: 700) == ["objects"])
        #expect(Self.failing(Self.health, troubles, patience: nil, at: 100_000) == [])
        let body = Readiness(
            Self.health, troubles, network: Self.network(), patience: .seconds(1), at: Self.moment(200)
        ).answer.body
        #expect(body.contains("[-]objects failed: services cannot be followed since 1970-01-01T00:01:40Z\n"), "\(body)")
        #expect(!body.contains("refused"))
        #expect(Self.failing(Self.health, troubles, patience: .seconds(1), at: 102) == ["objects"])
    }

    @Test(
        "without a route to any endpoint there is no network, with one to some there is",
        arguments: [
            ((0, 0), (0, 0), true), ((3, 1), (3, 1), true), ((3, 0), (3, 3), false), ((3, 3), (2, 0), false),
            ((0, 0), (2, 0), false), ((1, 1), (0, 0), true),
        ] as [((Int, Int), (Int, Int), Bool)])
    func routes(_ here: (Int, Int), _ elsewhere: (Int, Int), _ holds: Bool) {
        var network = Self.network(here: here, elsewhere: elsewhere)
        #expect(Self.failing(Self.health, Troubles(), network) == (holds ? [] : ["network"]))
        network.isUnavailable = true
        #expect(Self.failing(Self.health, Troubles(), network) == ["network"])
    }

    @Test("the answer has a line for each check")
    func answer() {
        func answer(_ network: NodeNetwork) -> HTTPAnswer {
            Readiness(Self.health, Troubles(), network: network, patience: nil, at: Self.moment(20)).answer
        }
        let good = answer(Self.network(here: (3, 2)))
        #expect(good.status == 200)
        #expect(
            good.body == """
                [+]node ok: nothing speaks against it
                [+]dataplane ok: in line since 1970-01-01T00:00:10Z
                [+]objects ok: followed
                [+]network ok: routes to 2 of 3 endpoints on this node, to 3 of 3 on others
                readyz check passed

                """)
        let bad = answer(Self.network(here: (3, 0)))
        #expect(bad.status == 503 && bad.body.hasSuffix("readyz check failed\n"))
        #expect(
            bad.body.contains("[-]network failed: no route to any of 3 endpoints on this node: 10.1.0.1 has none\n"))
    }
}
