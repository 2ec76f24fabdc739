import KubernetesModel
import NetworkTypes
import Telemetry
import Testing

@Suite("The status of a node")
struct StatusTests {
    private static let key = ObjectKey(namespace: "default", name: "web")

    private static func at(_ seconds: Double) -> Moment {
        Moment(microseconds: 1_764_000_000_000_000 + Int64(seconds * 1e6), uptime: .seconds(seconds))
    }

    private static func counter(
        _ event: ServiceCounter.Event, _ packets: UInt64, name: String = "web", frontend: String = "10.96.0.1:80/tcp"
    ) -> ServiceCounter {
        ServiceCounter(
            event, service: ObjectKey(namespace: "default", name: name), port: "http", frontend: frontend,
            packets: packets)
    }

    private static func reading(_ seconds: Double, _ counters: [ServiceCounter]) -> CounterReading {
        CounterReading(time: at(seconds), cost: .milliseconds(2), counters: counters)
    }

    private static func status(
        journal: SyncJournal = SyncJournal(), health: HealthState = HealthState(), _ reading: CounterReading,
        findings: [Finding] = [], counts: Bool = true, at now: Double = 10,
        _ adjust: (inout ProxyMetrics) -> Void = { _ in }
    ) -> NodeStatus {
        var metrics = ProxyMetrics(version: "1.2.3")
        adjust(&metrics)
        return NodeStatus(
            health: health, journal: journal, metrics: metrics, reading: reading, findings: findings, node: "node1",
            countsConnections: counts, frontendSets: ["services-4", "reject-services"], endpointSet: "backends",
            at: at(now))
    }

    // MARK: Rates

    @Test("a rate is what was counted since the reading before, by the time between them")
    func rates() {
        let counter = Self.counter(.rejected, 30)
        var second = Self.reading(12, [counter])
        #expect(second.rate(of: counter) == nil, "there is nothing to compare with")
        second.compare(with: Self.reading(10, [Self.counter(.rejected, 20), Self.counter(.connection, 5)]))
        #expect(second.interval == .seconds(2))
        #expect(second.rate(of: counter) == 5)
        let fresh = Self.counter(.rejected, 8, frontend: "10.96.0.2:80/tcp")
        #expect(second.rate(of: fresh) == 4, "a counter that has come since has counted all of it since")
        #expect(second.rate(of: Self.counter(.connection, 1)) == 0.5, "a counter that began again")
    }

    @Test("a reading that failed, or of the same moment, gives no rates")
    func noRates() {
        let counter = Self.counter(.rejected, 30)
        for former in [
            CounterReading(time: Self.at(9), cost: .zero, counters: [], failure: "refused"),
            Self.reading(10, [counter]),
        ] {
            var reading = Self.reading(10, [counter])
            reading.compare(with: former)
            #expect(reading.interval == nil)
            #expect(Self.status(reading).refusedRate == nil)
        }
    }

    @Test("what refuses comes with the highest rate first, the busiest Services by their sums")
    func order() throws {
        let former = [
            Self.counter(.rejected, 100), Self.counter(.dropped, 0, name: "b"),
            Self.counter(.connection, 10, name: "c"),
        ]
        var reading = Self.reading(
            2,
            [
                Self.counter(.rejected, 100), Self.counter(.dropped, 6, name: "b"),
                Self.counter(.droppedOutside, 4, name: "b", frontend: "10.250.0.1:80/tcp"),
                Self.counter(.connection, 12, name: "c"), Self.counter(.connection, 3, name: "c", frontend: "x"),
                Self.counter(.connection, 900, name: "d", frontend: "y"),
            ])
        reading.compare(with: Self.reading(0, former + [Self.counter(.connection, 900, name: "d", frontend: "y")]))
        let status = Self.status(reading)
        #expect(status.refused.items.map(\.name) == ["b", "b", "web"])
        #expect(status.refused.items.map(\.verdict) == ["dropped", "dropped", "rejected"])
        #expect(status.refused.items.map(\.sources) == ["all", "outside", "all"])
        #expect(status.refused.items.map(\.rate) == [3, 2, 0])
        #expect(status.refusedRate == 5)
        let busiest = try #require(status.busiest)
        #expect(busiest.items.map(\.name) == ["c", "d"])
        #expect(busiest.items.map(\.connections) == [15, 900])
        #expect(status.connectionRate == 2.5)
        #expect(Self.status(reading, counts: false).busiest == nil)
    }

    @Test("Services by traffic: who moves most now comes first, both ways together, and refusals are none of it")
    func traffic() throws {
        let counters = [
            Self.counter(.bytesIn, 100), Self.counter(.bytesOut, 4_000), Self.counter(.packetsIn, 2),
            Self.counter(.packetsOut, 4), Self.counter(.bytesIn, 90_000, name: "b"),
            Self.counter(.bytesOut, 50, frontend: "x"), Self.counter(.rejected, 7, name: "c"),
            Self.counter(.connection, 9, name: "d"),
        ]
        var reading = Self.reading(2, counters)
        reading.compare(
            with: Self.reading(
                0,
                [Self.counter(.bytesIn, 90_000, name: "b"), Self.counter(.bytesOut, 1_000), Self.counter(.bytesIn, 50)])
        )
        let traffic = NodeStatus.traffic(in: reading)
        #expect(traffic.map(\.name) == ["web", "b"])
        #expect(traffic.map(\.rate) == [1550, 0] && traffic.map(\.bytes) == [4150, 90_000])
        #expect(traffic[0].bytesIn == 100 && traffic[0].bytesOut == 4050)
        #expect(traffic[0].packetsIn == 2 && traffic[0].packetsOut == 4)
        #expect(NodeStatus.refused(in: reading).map(\.name) == ["c"])
        #expect(
            NodeStatus.traffic(in: Self.reading(2, counters)).map(\.name) == ["b", "web"], "without rates by bytes")
        let families = Dictionary(uniqueKeysWithValues: ServiceCounter.metrics(counters).map { ($0.name, $0.samples) })
        let directions = families["fairlead_service_bytes_total"]?.map { $0.labels.last?.value }
        #expect(directions == ["in", "out", "in", "out"])
        #expect(families["fairlead_service_packets_total"]?.count == 2)
        #expect(families["fairlead_service_refused_packets_total"]?.count == 1)
    }

    // MARK: State

    @Test("the state follows health and the last attempt")
    func state() throws {
        let none = Self.reading(0, [])
        var (health, journal) = (HealthState(), SyncJournal())
        #expect(Self.status(journal: journal, health: health, none).sync.state == .starting)
        health.queued(at: Self.at(1))
        health.applied(at: Self.at(2))
        journal.succeeded(SyncJournal.Commit(time: Self.at(2), cause: "start", duration: .milliseconds(3)))
        let good = Self.status(journal: journal, health: health, none).sync
        #expect(good.state == .synchronized && good.healthy && good.lastSuccessSeconds == 8)
        health.queued(at: Self.at(5))
        #expect(Self.status(journal: journal, health: health, none).sync.state == .pending)
        journal.failed(.init(time: Self.at(6), cause: "change", reason: "no room", retryDelay: .seconds(30)))
        let bad = Self.status(journal: journal, health: health, none).sync
        #expect(bad.state == .failing)
        let failure = try #require(bad.lastFailure)
        #expect(failure.reason == "no room" && failure.cause == "change" && failure.retryInSeconds == 26)
        #expect(Self.status(journal: journal, health: health, none, at: 100).sync.lastFailure?.retryInSeconds == 0)
        #expect(!Self.status(journal: journal, health: health, none, at: 100).sync.healthy)
        health.applied(at: Self.at(9))
        journal.succeeded(nil)
        let mended = Self.status(journal: journal, health: health, none).sync
        #expect(mended.state == .synchronized && mended.lastFailure?.reason == "no room")
        #expect(mended.lastFailure?.retryInSeconds == nil)
    }

    @Test("the last twenty commits are kept, the newest first")
    func commits() {
        var journal = SyncJournal()
        for number in 0..<25 {
            var commit = SyncJournal.Commit(time: Self.at(0), cause: "change", duration: .zero)
            commit.added = number
            journal.succeeded(commit)
        }
        #expect(journal.commits.map(\.added) == Array((5..<25).reversed()))
    }

    @Test("frontends and endpoints are counted from the sets")
    func counts() {
        let status = Self.status(Self.reading(0, [])) { metrics in
            metrics.kernel.observed([
                .ipv4: ["services-4": 3, "reject-services": 2, "backends": 7, "endpoints": 50],
                .ipv6: ["services-4": 1, "backends": 2],
            ])
        }
        #expect(status.counts.frontends == 6)
        #expect(status.counts.endpoints == 9)
        #expect(status.counts.elements["ipv4"]?["endpoints"] == 50)
    }

    // MARK: Text

    @Test("the text says what matters, and no name can move the cursor")
    func text() {
        var reading = Self.reading(2, [Self.counter(.rejected, 30, name: "we\u{1B}[2Jb")])
        reading.compare(with: Self.reading(0, []))
        var journal = SyncJournal()
        journal.failed(.init(time: Self.at(6), cause: "change", reason: "no room", retryDelay: .seconds(30)))
        let finding = Finding(.error, code: "bad", subject: nil, message: "is wrong")
        let text = StatusText.page(Self.status(journal: journal, reading, findings: [finding], counts: false))
        for part in [
            "node1: fairlead 1.2.3, up 10 s", "FAILING", "no room; tried again in 26 s", "rejected", "15.0/s",
            "--service-counters", "is wrong",
        ] {
            #expect(text.contains(part), "\(part) is missing: \(text)")
        }
        #expect(!text.contains("\u{1B}"))
        let line = StatusText.line(Self.status(journal: journal, reading))
        #expect(line.contains(" node1 failing ") && line.contains("refused/s=15.0") && line.hasSuffix("\n"))
        #expect(line.filter { $0 == "\n" }.count == 1)
    }

    @Test("what cannot be read is told, and a long list is cut")
    func cut() {
        let failed = CounterReading(time: Self.at(1), cost: .zero, counters: [], failure: "not permitted")
        #expect(StatusText.page(Self.status(failed)).contains("Counters cannot be read: not permitted"))
        let many = (0..<120).map { Self.counter(.rejected, UInt64($0), name: "service-\($0)") }
        let status = Self.status(Self.reading(1, many))
        #expect(status.refused.total == 120 && status.refused.items.count == 100)
        #expect(StatusText.page(status).contains("… and 110 more"))
    }

    @Test(
        "spans of time in two units",
        arguments: [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (7_320, "2 h 2 min"), (200_000, "2 d 7 h")])
    func spans(_ seconds: Double, _ text: String) {
        let status = Self.status(Self.reading(0, []), at: seconds)
        #expect(StatusText.page(status).contains("up \(text)\n"))
    }
}
