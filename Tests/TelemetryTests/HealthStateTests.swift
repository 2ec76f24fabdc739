import KubernetesModel
import NetworkTypes
import ServicePolicy
import Telemetry
import Testing

/// A moment that many seconds after the start; the wall clock shows 2026-11-21 09:05:00 at the start.
func moment(_ seconds: Double) -> Moment {
    Moment(microseconds: 1_795_251_900_000_000 + Int64(seconds * 1_000_000), uptime: .seconds(seconds))
}

@Suite struct HealthStateTests {
    enum Step: Sendable { case queued(Double), applied(Double) }

    struct Case: Sendable {
        var name: String
        var steps: [Step]
        var now: Double
        var isHealthy: Bool
    }

    static let cases: [Case] = [
        Case(name: "before anything", steps: [], now: 0, isHealthy: false),
        Case(name: "the first synchronization is on its way", steps: [.queued(0)], now: 1, isHealthy: false),
        Case(
            name: "synchronized long ago, nothing since", steps: [.queued(0), .applied(1)], now: 9999, isHealthy: true),
        Case(
            name: "a change has just come", steps: [.queued(0), .applied(1), .queued(100)], now: 159.9, isHealthy: true),
        Case(
            name: "a change waits for twice the sync period", steps: [.queued(0), .applied(1), .queued(100)], now: 160,
            isHealthy: false),
        Case(
            name: "more changes do not make the oldest younger",
            steps: [.queued(0), .applied(1), .queued(100), .queued(150)], now: 161, isHealthy: false),
        Case(
            name: "late, but applied", steps: [.queued(0), .applied(1), .queued(100), .applied(170)], now: 171,
            isHealthy: true),
        Case(
            name: "the next change waits by its own time",
            steps: [.queued(0), .applied(1), .queued(100), .applied(130), .queued(131)], now: 180, isHealthy: true),
    ]

    @Test("a change that waits for 60 seconds makes the proxy unhealthy", arguments: cases)
    func staleness(_ test: Case) {
        var state = HealthState()
        for step in test.steps {
            switch step {
            case .queued(let time): state.queued(at: moment(time))
            case .applied(let time): state.applied(at: moment(time))
            }
        }
        #expect(state.isHealthy(at: moment(test.now)) == test.isHealthy, "\(test.name)")
        let live = HTTPAnswer.livez(state, at: moment(test.now))
        #expect(live.status == (test.isHealthy ? 200 : 503), "\(test.name)")
        #expect(HTTPAnswer.healthz(state, at: moment(test.now)).status == live.status, "\(test.name)")
    }

    @Test("another sync period makes for another patience")
    func patience() {
        var state = HealthState()
        state.patience = .seconds(10)
        state.applied(at: moment(0))
        state.queued(at: moment(1))
        #expect(state.isHealthy(at: moment(10.9)))
        #expect(!state.isHealthy(at: moment(11)))
    }

    @Test("a wall clock that jumps makes nothing stale")
    func clockJump() {
        var state = HealthState()
        state.applied(at: moment(0))
        state.queued(at: moment(1))
        var now = moment(2)
        now.microseconds += 86_400_000_000
        #expect(state.isHealthy(at: now))
    }

    static let nodes: [(taints: [String], isBeingDeleted: Bool, NodeEligibility)] = [
        ([], false, .eligible), (["node.kubernetes.io/unschedulable"], false, .eligible),
        (["a", "ToBeDeletedByClusterAutoscaler"], false, .tainted), ([], true, .beingDeleted),
        (["ToBeDeletedByClusterAutoscaler"], true, .beingDeleted),
    ]

    @Test("a node that is deleted or tainted for the autoscaler is not eligible", arguments: nodes)
    func eligibility(_ test: (taints: [String], isBeingDeleted: Bool, expected: NodeEligibility)) {
        var node = Node(name: "here")
        node.taints = test.taints
        node.isBeingDeleted = test.isBeingDeleted
        #expect(NodeEligibility(of: node, isMissing: false) == test.expected)
    }

    @Test("a taint of the operator's drains the node, cordon and other taints do not")
    func drain() throws {
        let taints = try DrainTaints(["example.com/drain, Maintenance", "example.com/drain"])
        #expect(taints.keys == ["example.com/drain", "Maintenance"])
        var node = Node(name: "here")
        for (keys, expected) in [
            ([DrainTaints.cordon, "drain", "example.com"], NodeEligibility.eligible),
            (["other", "example.com/drain"], .draining("example.com/drain")),
            (["ToBeDeletedByClusterAutoscaler", "Maintenance"], .draining("Maintenance")),
            (["ToBeDeletedByClusterAutoscaler"], .tainted),
        ] {
            node.taints = keys
            #expect(NodeEligibility(of: node, isMissing: false, drainTaints: taints) == expected)
            #expect(NodeEligibility(of: node, isMissing: false) != .draining("Maintenance"))
        }
    }

    @Test(
        "what can be no key of a taint is refused, and so is cordon",
        arguments: ["", "a b", "a/b/c", "/a", "a/", "-a", "a.", "A.B/c", String(repeating: "x", count: 64), "a,,b"])
    func wrongTaint(_ text: String) {
        #expect(throws: DrainTaintProblem.self) { try DrainTaints([text]) }
        #expect(throws: DrainTaintProblem.cordon) { try DrainTaints(["a", DrainTaints.cordon]) }
    }

    @Test("a missing Node object speaks against the node only where there are others")
    func absence() {
        #expect(NodeEligibility(of: nil, isMissing: true) == .absent)
        #expect(NodeEligibility(of: nil, isMissing: false) == .eligible)
    }

    @Test("/healthz and /livez have kube-proxy's JSON")
    func bodies() {
        var state = HealthState()
        let starting = HTTPAnswer.healthz(state, at: moment(0))
        #expect(
            starting.body
                == #"{"lastUpdated":"0001-01-01T00:00:00Z","currentTime":"2026-11-21T09:05:00Z","nodeEligible":true,"#
                + #""healthy":false}"#)
        state.applied(at: moment(1.25))
        let families =
            #""status":{"IPv4":{"lastUpdated":"2026-11-21T09:05:01.25Z","healthy":true},"#
            + #""IPv6":{"lastUpdated":"2026-11-21T09:05:01.25Z","healthy":true}}}"#
        let live = HTTPAnswer.livez(state, at: moment(2))
        #expect(
            live.body
                == #"{"lastUpdated":"2026-11-21T09:05:02Z","currentTime":"2026-11-21T09:05:02Z","healthy":true,"#
                + families)
        #expect(
            live.headers == [.init("Content-Type", "application/json"), .init("X-Content-Type-Options", "nosniff")])
        state.eligibility = .tainted
        let tainted = HTTPAnswer.healthz(state, at: moment(2))
        #expect(tainted.status == 503)
        #expect(
            tainted.body
                == #"{"lastUpdated":"2026-11-21T09:05:01.25Z","currentTime":"2026-11-21T09:05:02Z","#
                + #""nodeEligible":false,"healthy":true,"# + families)
        #expect(HTTPAnswer.livez(state, at: moment(2)).status == 200)
    }

    @Test("a health check port of a node that is drained answers 503 with weight 0, and says what it has")
    func drainedServiceHealth() {
        let check = HealthCheck(
            key: ObjectKey(namespace: "default", name: "web"), port: 30500, localEndpoints: [.ipv4: 2])
        let answer = HTTPAnswer.serviceHealth(check, .ipv4, isHealthy: true, isDraining: true)
        #expect(answer.status == 503 && answer.body.contains("\"localEndpoints\": 2"))
        #expect(answer.headers.contains(.init("X-Load-Balancing-Endpoint-Weight", "0")))
    }

    @Test("a health check port counts the family that it is asked by")
    func serviceHealth() {
        let check = HealthCheck(
            key: ObjectKey(namespace: "default", name: "web"), port: 30500, localEndpoints: [.ipv4: 2, .ipv6: 0])
        let good = HTTPAnswer.serviceHealth(check, .ipv4, isHealthy: true)
        #expect(good.status == 200)
        #expect(
            good.headers == [
                .init("Content-Type", "application/json"), .init("X-Content-Type-Options", "nosniff"),
                .init("X-Load-Balancing-Endpoint-Weight", "2"),
            ])
        #expect(
            good.body
                == "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"web\"\n\t},\n"
                + "\t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}")
        #expect(HTTPAnswer.serviceHealth(check, .ipv6, isHealthy: true).status == 503)
    }

    @Test("a health check port fails while the proxy does not do its work")
    func staleServiceHealth() {
        let check = HealthCheck(
            key: ObjectKey(namespace: "default", name: "web"), port: 30500, localEndpoints: [.ipv4: 2])
        let stale = HTTPAnswer.serviceHealth(check, .ipv4, isHealthy: false)
        #expect(stale.status == 503)
        #expect(stale.body.hasSuffix("\t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": false\n}"))
    }

    @Test("a name from a manifest cannot break out of the JSON")
    func names() {
        let check = HealthCheck(
            key: ObjectKey(namespace: "a\"b\\", name: "c\nd"), port: 1, localEndpoints: [:])
        let body = HTTPAnswer.serviceHealth(check, .ipv4, isHealthy: true).body
        #expect(body.contains(#""namespace": "a\"b\\","#))
        #expect(body.contains(#""name": "c\u000ad""#))
    }
}

@Suite struct MomentTests {
    static let dates: [(Int64, String, String)] = [
        (0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_399_000_000, "2000-02-28T23:59:59Z", "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400_000_001, "2000-02-29T00:00:00.000001Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_709_251_200_500_000, "2024-03-01T00:00:00.5Z", "Fri, 01 Mar 2024 00:00:00 GMT"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 GMT"),
        (1_798_761_599_120_000, "2026-12-31T23:59:59.12Z", "Thu, 31 Dec 2026 23:59:59 GMT"),
    ]

    @Test("dates are right at the edges of months and years", arguments: dates)
    func calendar(_ test: (microseconds: Int64, timestamp: String, header: String)) {
        let moment = Moment(microseconds: test.microseconds, uptime: .zero)
        #expect(moment.timestamp == test.timestamp)
        #expect(moment.httpDate == test.header)
    }
}

@Suite struct ListenAddressTests {
    static let good: [(String, [String])] = [
        ("0.0.0.0:10256", ["0.0.0.0:10256", "[::]:10256"]), ("[::]:80", ["0.0.0.0:80", "[::]:80"]),
        (":9000", ["0.0.0.0:9000", "[::]:9000"]), ("127.0.0.1", ["127.0.0.1:10249"]), ("::1", ["[::1]:10249"]),
        ("[fd00::1]:443", ["[fd00::1]:443"]), ("[fd00::1]", ["[fd00::1]:10249"]), ("10.0.0.1:1", ["10.0.0.1:1"]),
    ]

    @Test("addresses to listen on are read with and without port", arguments: good)
    func parse(_ test: (text: String, expected: [String])) {
        #expect(ListenAddress.parse(test.text, defaultPort: 10249)?.map(\.description) == test.expected)
    }

    @Test(
        "what is no address with a port is refused",
        arguments: ["", "localhost:80", "10.0.0.1:0", "10.0.0.1:70000", "10.0.0.1:", "::1:x", "fd00::g:80", ":"])
    func refuse(_ text: String) {
        #expect(ListenAddress.parse(text, defaultPort: 10249) == nil)
    }
}
