import KubernetesModel
import NetworkTypes
import Telemetry
import Testing

/// Why the node is not in line, where one looks, and in the log again after a while.
@Suite("Troubles") struct TroubleTests {
    private static func at(_ seconds: Double) -> Moment {
        Moment(microseconds: 1_764_000_000_000_000 + Int64(seconds * 1e6), uptime: .seconds(seconds))
    }

    private static func status(
        _ troubles: Troubles, health: HealthState = HealthState(), journal: SyncJournal = SyncJournal(), at now: Double
    ) -> NodeStatus {
        NodeStatus(
            health: health, journal: journal, metrics: ProxyMetrics(version: "1"), troubles: troubles,
            reading: CounterReading(time: at(now), cost: .zero, counters: []), findings: [], node: "node1",
            countsConnections: false, frontendSets: [], endpointSet: "backends", at: at(now))
    }

    @Test("a trouble keeps its beginning while its text changes, and begins again after its end")
    func since() {
        var troubles = Troubles()
        troubles.note(.source, of: "services", "401", at: Self.at(1))
        troubles.note(.source, of: "services", "403", at: Self.at(5))
        #expect(troubles.all.map(\.trouble.text) == ["403"] && troubles.all[0].trouble.since == Self.at(1))
        #expect(troubles.end(.source, of: "services") && !troubles.end(.source, of: "services"))
        troubles.note(.source, of: "services", "403", at: Self.at(9))
        #expect(troubles.all[0].trouble.since == Self.at(9))
        troubles.note(.source, of: "nodes", "403", at: Self.at(9))
        troubles.note(.manifest, of: "a.yaml", "x", at: Self.at(9))
        troubles.endAll(.source, except: ["nodes"])
        #expect(troubles.all.map(\.place.subject) == ["nodes", "a.yaml"])
    }

    @Test("each trouble that goes on is said again after five minutes, and after five more")
    func reminder() {
        var (troubles, reminder) = (Troubles(), TroubleReminder())
        troubles.note(.source, of: "nodes", "403", at: Self.at(10))
        func due(_ seconds: Double) -> [String] {
            reminder.due(troubles, at: Self.at(seconds)).map { "\($0.place.code) \($0.trouble.text)" }
        }
        #expect(due(10).isEmpty && due(309).isEmpty)
        troubles.note(.source, of: "nodes", "401", at: Self.at(309))
        troubles.note(.missingNode, "no Node", at: Self.at(309))
        #expect(due(310) == ["source 401"])
        #expect(due(311).isEmpty && due(608).isEmpty)
        #expect(due(609) == ["missingNode no Node"] && due(610) == ["source 401"])
        troubles.end(.source, of: "nodes")
        #expect(due(5000) == ["missingNode no Node"])
        // One that comes again has a first line of its own, and starts its time again.
        troubles.note(.source, of: "nodes", "403", at: Self.at(5001))
        #expect(due(5002).isEmpty && due(5300) == ["missingNode no Node"] && due(5301) == ["source 403"])
    }

    @Test("status says why the node is not in line: 401 and 403 to every list")
    func starting() {
        var troubles = Troubles()
        let quiet = Self.status(troubles, at: 5)
        #expect(quiet.sync.troubles?.map(\.code) == ["starting"], "lists that are still under way")
        troubles.note(.source, of: "nodes", "nodes: GET https://x/api/v1/nodes: 403 Forbidden", at: Self.at(1))
        let status = Self.status(troubles, at: 5)
        #expect(status.sync.troubles?.map(\.code) == ["source"] && status.sync.troubles?[0].seconds == 4)
        let text = StatusText.page(status)
        #expect(
            text.contains("  trouble (source, for 4 s): nodes: GET https://x/api/v1/nodes: 403 Forbidden\n"), "\(text)")
        #expect(StatusText.line(status).contains(" troubles=source\n"))
    }

    @Test("a change that waits for too long is a trouble; what the kernel refuses is told with its failure")
    func late() {
        var (health, journal, troubles) = (HealthState(), SyncJournal(), Troubles())
        health.queued(at: Self.at(1))
        health.applied(at: Self.at(2))
        #expect(Self.status(troubles, health: health, at: 3).sync.troubles == [])
        health.queued(at: Self.at(10))
        journal.failed(.init(time: Self.at(11), cause: "change", reason: "no room", retryDelay: .seconds(30)))
        troubles.note(.kernel, "no room", at: Self.at(11))
        let status = Self.status(troubles, health: health, journal: journal, at: 80)
        #expect(status.sync.troubles?.map(\.code) == ["kernel", "late"] && !status.sync.healthy)
        let text = StatusText.page(status)
        #expect(text.ranges(of: "no room").count == 1, "\(text)")
        #expect(text.contains("trouble (late, for 1 min 10 s): a change has waited for longer than 60"), "\(text)")
    }

    @Test("a metric tells that there is no Node of the node's name")
    func metric() {
        var metrics = ProxyMetrics(version: "1")
        #expect(PrometheusText.render(metrics.metrics).contains("\nfairlead_node_missing 0\n"))
        metrics.isNodeMissing = true
        #expect(PrometheusText.render(metrics.metrics).contains("\nfairlead_node_missing 1\n"))
    }
}
