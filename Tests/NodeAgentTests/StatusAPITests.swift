import KubernetesModel
import Logging
import ManifestSource
import Netfilter
import NetworkTypes
import Observability
import PacketPath
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Synchronization
import Telemetry
import Testing

@testable import NodeAgent

/// A daemon's state without a daemon: the objects of docs/samples, as node1 sees them.
struct Samples {
    static let directory = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/docs/samples"
    var desired: DesiredState

    init() throws {
        var options = DataplaneOptions()
        options.localDetector = .clusterCIDRs(["10.128.0.0/16", "fd00:10:128::/48"].compactMap { CIDR($0) })
        desired = DesiredState(
            options: options, settings: NodeSettings(nodeName: "node1"),
            host: HostFacts(addresses: Wiring.addresses(Self.logger)))
        var manifests = ManifestSet(paths: [Self.directory])
        let update = manifests.load()
        try #require(update.failures.isEmpty)
        _ = desired.load(update.clusterUpdate.changes)
        _ = desired.tables()
        try #require(desired.serviceCount >= 5)
    }

    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    var view: DaemonView { DaemonView(desired: desired, sourceFindings: [], revision: 1) }

    static let refused = ServiceCounter(
        .rejected, service: ObjectKey(namespace: "demo", name: "empty"), port: "http", frontend: "10.96.0.60:80/tcp",
        packets: 4)

    static func rows(_ view: DaemonView) -> ServiceRows {
        let reading = CounterReading(time: .now, cost: .zero, counters: [refused])
        return ServiceRows(view, reading, StatusAPI.Counts())
    }
}

@Suite struct DaemonExplainerTests {
    @Test("the daemon, which compiles what a packet can meet only, says what the command says")
    func sameAnswers() throws {
        let samples = try Samples()
        let addresses = Wiring.addresses(Samples.logger) ?? []
        let daemon = DaemonExplainer(samples.desired, addresses: addresses)
        let command = try NodeViews(desired: samples.desired, view: nil, isNamed: true, Samples.logger)
        var targets = ["10.96.0.99:80", "10.96.0.10:81", "8.8.8.8:53/udp", "10.128.1.11:8080", "node:1"]
        samples.desired.cluster.forEachService { service, _ in
            targets.append("\(service.key)")
            let all = service.clusterIPs + service.externalIPs + service.loadBalancerIngress.map(\.address)
            for port in service.ports {
                targets += all.map { "\($0.family == .ipv6 ? "[\($0)]" : "\($0)"):\(port.port)/\(port.transport)" }
                if port.nodePort > 0 { targets.append("node:\(port.nodePort)/\(port.transport)") }
            }
        }
        var verdicts: Set<Explanation.Verdict> = []
        for source in ["node", "external", "pod", "10.128.1.11", "10.128.2.11", "fd00:10:128:1::11"] {
            for target in targets {
                let question = try Question(from: source, to: target)
                let answer = Result { try daemon.explain(question) }
                let expected = Result { command.explain(try question.packet(in: command.situation)) }
                #expect(Self.text(answer) == Self.text(expected), "\(source) to \(target)")
                if case .success(let explanation) = answer { verdicts.insert(explanation.verdict) }
            }
        }
        #expect(verdicts == [.reaches, .refused, .dropped, .untouched], "the questions show too little: \(verdicts)")
    }

    private static func text(_ answer: Result<Explanation, any Error>) -> String {
        switch answer {
        case .success(let explanation): ExplanationJSON.line(explanation)
        case .failure(let error): "\(error)"
        }
    }

    @Test("only the Services that the packet can have to do with are compiled")
    func concerned() throws {
        let samples = try Samples()
        let question = try Question(from: "external", to: "10.250.0.20:80")
        let command = try NodeViews(desired: samples.desired, view: nil, isNamed: true, Samples.logger)
        let packet = try question.packet(in: command.situation)
        var names: [String] = []
        samples.desired.cluster.forEachService { service, slices in
            if DaemonExplainer.concerns(packet, service, slices) { names.append(service.key.name) }
        }
        #expect(names == ["api"])
    }
}

@Suite struct ServiceRowTests {
    @Test("rows come in order, in pages, and by what they show")
    func pages() throws {
        let view = try Samples().view
        let rows = Samples.rows(view)
        let all = rows.list(.init())
        #expect(all.services.map(\.name) == all.services.map(\.name).sorted())
        #expect(all.total == all.services.count && all.matching == all.total)
        let second = rows.list(.init(offset: 2, limit: 2))
        #expect(second.services == Array(all.services[2..<4]))
        #expect(second.matching == all.total && second.offset == 2)
        #expect(rows.list(.init(offset: 1000)).services.isEmpty)
        #expect(rows.list(.init(words: ["10.96.0.10"])).services.map(\.name) == ["web"])
        #expect(rows.list(.init(words: ["demo/", "30060"])).services.map(\.name) == ["empty"])
        #expect(rows.list(.init(words: ["demo", "nothing"])).matching == 0)
        #expect(rows.list(.init(refusingOnly: true)).services.map(\.name) == ["empty"])
    }

    @Test("rows are sorted by what was counted, and what was not counted comes last by name")
    func order() throws {
        let view = try Samples().view
        func counter(_ event: ServiceCounter.Event, _ name: String, _ count: UInt64) -> ServiceCounter {
            ServiceCounter(
                event, service: ObjectKey(namespace: "demo", name: name), port: "", frontend: name, packets: count)
        }
        var counters = [Samples.refused, counter(.connection, "cache", 5), counter(.connection, "web", 7)]
        counters += [counter(.bytesIn, "web", 10), counter(.bytesOut, "web", 10), counter(.bytesIn, "api", 15)]
        let reading = CounterReading(time: .now, cost: .zero, counters: counters)
        let rows = ServiceRows(view, reading, StatusAPI.Counts(connections: true, traffic: true))
        let names = rows.list(.init()).services.map(\.name)
        func expect(_ order: ServiceRows.Order, _ first: [String]) {
            let rest = names.filter { !first.contains($0) }
            #expect(rows.list(.init(order: order)).services.map(\.name) == first + rest, "\(order)")
        }
        expect(.name, [])
        expect(.traffic, ["web", "api"])
        expect(.connections, ["web", "cache"])
        expect(.refused, ["empty"])
        #expect(rows.list(.init(order: .traffic, offset: 1, limit: 1)).services.map(\.name) == ["api"])
    }

    @Test("a row tells policies, addresses, ports and endpoints of both families")
    func row() throws {
        let rows = Samples.rows(try Samples().view)
        let api = try #require(rows.detail(ObjectKey(namespace: "demo", name: "api")))
        #expect(api.service.externalTrafficPolicy == "Local" && api.service.internalTrafficPolicy == "Cluster")
        #expect(api.service.state == .served && api.service.type == "LoadBalancer")
        #expect(api.service.addresses == ["10.96.0.20", "fd00:10:96::20", "10.250.0.20", "fd00:10:250::20"])
        let port = try #require(api.service.ports.first)
        #expect(port.name == "http" && port.transport == "TCP" && port.port == 80 && port.nodePort == 30020)
        #expect(port.endpoints["ipv4"] == .init(cluster: 3, local: 2))
        #expect(port.endpoints["ipv6"] == .init(cluster: 3, local: 2))
        #expect(api.endpoints.total == 6)
        let remote = try #require(api.endpoints.items.first { $0.address == "10.128.2.11" })
        #expect(remote.node == "node2" && remote.cluster == "used" && remote.local == "otherNode")
        let empty = try #require(rows.detail(ObjectKey(namespace: "demo", name: "empty")))
        #expect(empty.service.state == .refusing && empty.service.refused.map(\.packets) == [4])
        #expect(empty.endpoints.total == 0)
        #expect(rows.detail(ObjectKey(namespace: "demo", name: "none")) == nil)
    }
}

@Suite struct DaemonViewsTests {
    /// A daemon that counts how often it is asked, and may be busy.
    private final class Source: Sendable {
        let asked = Mutex(0)
        let view: DaemonView
        let board: StatusBoard
        init(_ view: DaemonView, _ board: StatusBoard) { (self.view, self.board) = (view, board) }

        func take(after delay: Duration = .zero) async -> DaemonView {
            asked.withLock { $0 += 1 }
            if delay > .zero { try? await Task.sleep(for: delay) }
            return DaemonView(desired: view.desired, sourceFindings: [], revision: board.current.revision)
        }
    }

    @Test("questions share a view while nothing changes, and within a second")
    func shared() async throws {
        let board = StatusBoard(version: "test")
        let source = Source(try Samples().view, board)
        let views = DaemonViews(board) { await source.take() }
        for _ in 0..<5 { #expect(await views.current() != nil) }
        #expect(source.asked.withLock { $0 } == 1)
        board.update { $0.revision += 1 }
        #expect(await views.current()?.revision == 0, "within a second")
        try await Task.sleep(for: .seconds(1.1))
        #expect(await views.current()?.revision == 1)
        #expect(source.asked.withLock { $0 } == 2)
    }

    @Test("a daemon that is busy does not hold up those who ask")
    func busy() async throws {
        let board = StatusBoard(version: "test")
        let source = Source(try Samples().view, board)
        let views = DaemonViews(board) { await source.take(after: board.current.revision == 0 ? .zero : .seconds(8)) }
        #expect(await views.current() != nil)
        board.update { $0.revision += 1 }
        try await Task.sleep(for: .seconds(1.1))
        let start = ContinuousClock.now
        #expect(await views.current()?.revision == 0, "the view before is good enough")
        #expect(ContinuousClock.now - start < .seconds(5))
    }
}

@Suite struct StatusCommandTests {
    @Test("JSON goes there and back, and has stable names")
    func roundTrip() throws {
        var reading = CounterReading(time: .now, cost: .milliseconds(1), counters: [Samples.refused])
        reading.compare(with: CounterReading(time: .now, cost: .zero, counters: []))
        var journal = SyncJournal()
        journal.failed(.init(time: .now, cause: "change", reason: "\"quoted\"\n</script>", retryDelay: .seconds(1)))
        journal.succeeded(.init(time: .now, cause: "start", duration: .milliseconds(3)))
        let status = NodeStatus(
            health: HealthState(), journal: journal, metrics: ProxyMetrics(version: "1"), reading: reading,
            findings: [Finding(.error, code: "bad", subject: nil, message: "wrong")], node: "node1",
            countsConnections: true, frontendSets: StatusAPI.frontendSets, endpointSet: "backends", at: .now)
        let text = StatusJSON.text(status)
        #expect(try StatusJSON.value(NodeStatus.self, text.utf8) == status)
        #expect(!text.contains("\n"))
        for name in [
            "version", "node", "time", "uptimeSeconds", "sync", "state", "healthy", "pendingChanges", "failures",
            "lastFailure", "counts", "services", "frontends", "endpoints", "elements", "transactions", "added",
            "protection", "driftRepairs", "counters", "readSeconds", "refused", "busiest", "findings",
        ] {
            #expect(text.contains("\"\(name)\":"), "\(name) is missing: \(text)")
        }
    }

    @Test("every frontend is in one of the sets that are counted")
    func frontends() throws {
        var desired = try Samples().desired
        let tables = desired.tables()
        for table in tables {
            var keys = 0
            for set in table.schema.sets where StatusAPI.frontendSets.contains(set.name) {
                keys += table.elements[set.id]?.count ?? 0
            }
            var expected = 0
            desired.cluster.forEachService { service, _ in
                let ports = desired.dataplane.resolved(service.key)?.ports ?? []
                for port in ports where port.family == table.schema.family { expected += port.frontends.count }
            }
            #expect(keys == expected && keys > 0)
        }
    }

    @Test("what a load is at")
    func progress() {
        #expect(LoadProgress.text(.observing) == "reading what the kernel has …")
        #expect(
            LoadProgress.text(.committing(services: 640, of: 10_000, elements: 0))
                == "planning: 640 of 10,000 Services …")
        #expect(
            LoadProgress.text(.committing(services: 2_500, of: 10_000, elements: 30_000))
                == "committing: 30,000 of about 120,000 elements …")
        #expect(
            LoadProgress.text(.committing(services: 10, of: 10, elements: 1_234_567))
                == "committing: 1,234,567 of 1,234,567 elements …")
    }
}
