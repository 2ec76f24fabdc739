import APIServerKit
import FairleadTestKit
import FoundationEssentials
import KubernetesModel
import Testing

@testable import KubernetesClient

@Suite("EventLedger")
struct EventLedgerTests {
    static func event(_ note: String = "a port is taken", severity: ClusterEvent.Severity = .warning) -> ClusterEvent {
        ClusterEvent(
            severity, .object(SampleCluster.service(1).id), reason: "FailedToStartServiceHealthcheck",
            action: "Listening", note: note)
    }

    /// What is to be sent now.
    private func message(_ ledger: inout EventLedger, at seconds: Int) throws -> EventLedger.Message {
        guard case .send(let message) = ledger.next(at: .seconds(seconds)) else {
            throw APIError(.settings, "nothing is to be sent")
        }
        return message
    }

    private func entry(_ message: EventLedger.Message) -> EventLedger.Entry {
        switch message {
        case .post(let entry), .patch(let entry): entry
        }
    }

    private func isPatch(_ message: EventLedger.Message) -> Bool {
        if case .patch = message { true } else { false }
    }

    @Test("An event is posted once, its repetitions make a series, told once a minute")
    func series() throws {
        var ledger = EventLedger()
        #expect(ledger.next(at: .zero) == .wait(.seconds(3600)))
        ledger.note(Self.event(), at: .seconds(1), wallClock: 10)
        let post = try message(&ledger, at: 1)
        #expect(!isPatch(post))
        #expect(entry(post).count == 1)
        ledger.sent(post, at: .seconds(1))
        #expect(ledger.next(at: .seconds(1)) == .wait(.seconds(3600)))
        ledger.note(Self.event(), at: .seconds(2), wallClock: 20)
        let first = try message(&ledger, at: 2)
        #expect(isPatch(first))
        #expect(entry(first).count == 2)
        ledger.sent(first, at: .seconds(2))
        for second in 3..<50 { ledger.note(Self.event(), at: .seconds(second), wallClock: Int64(second)) }
        #expect(ledger.next(at: .seconds(50)) == .wait(.seconds(12)))
        let second = try message(&ledger, at: 62)
        #expect(isPatch(second))
        #expect(entry(second).count == 49)
        #expect(entry(second).first == 10)
        #expect(entry(second).last == 49)
        ledger.sent(second, at: .seconds(62))
        #expect(ledger.next(at: .seconds(63)) == .wait(.seconds(3600)))
        // Long after, it is a new one.
        ledger.note(Self.event(), at: .seconds(500), wallClock: 500)
        #expect(!isPatch(try message(&ledger, at: 500)))
    }

    @Test("What repeats before it could be posted is posted with its count")
    func countedPost() throws {
        var ledger = EventLedger()
        for second in 0..<3 { ledger.note(Self.event(), at: .seconds(second), wallClock: Int64(second)) }
        let post = try message(&ledger, at: 3)
        #expect(!isPatch(post))
        #expect(entry(post).count == 3)
    }

    @Test("Many different events are sent slowly, and the oldest are dropped")
    func limits() throws {
        var ledger = EventLedger()
        for number in 0..<1000 {
            ledger.note(Self.event("\(number)"), at: .milliseconds(number), wallClock: Int64(number))
        }
        var sent: [String] = []
        var now = 1
        while sent.count < 300 {
            switch ledger.next(at: .seconds(now)) {
            case .send(let message):
                sent.append(entry(message).event.note)
                ledger.sent(message, at: .seconds(now))
            case .wait(.seconds(3600)):
                #expect(sent.count == EventLedger.capacity)
                #expect(sent.first == "\(1000 - EventLedger.capacity)")
                #expect(now >= (EventLedger.capacity - EventLedger.burst) * 5)
                return
            case .wait: now += 1
            }
            if now == 1 { #expect(sent.count <= EventLedger.burst) }
        }
        Issue.record("more were sent than are remembered")
    }

    @Test("What fails is tried again for two minutes, what is refused is not")
    func failures() throws {
        var ledger = EventLedger()
        ledger.note(Self.event(), at: .zero, wallClock: 1)
        var now = 0
        for attempt in 0..<EventLedger.attemptLimit {
            let post = try message(&ledger, at: now)
            ledger.failed(post, at: .seconds(now))
            if attempt < EventLedger.attemptLimit - 1 {
                #expect(ledger.next(at: .seconds(now)) == .wait(.seconds(10)))
            }
            now += 10
        }
        #expect(ledger.next(at: .seconds(now)) == .wait(.seconds(3600)))
        ledger.note(Self.event("another"), at: .seconds(now), wallClock: 2)
        let post = try message(&ledger, at: now)
        ledger.refused(post)
        #expect(ledger.next(at: .seconds(now)) == .wait(.seconds(3600)))
    }

    @Test("An Event that the server has lost is posted again")
    func lost() throws {
        var ledger = EventLedger()
        ledger.note(Self.event(), at: .zero, wallClock: 1)
        ledger.sent(try message(&ledger, at: 0), at: .zero)
        ledger.note(Self.event(), at: .seconds(1), wallClock: 2)
        let patch = try message(&ledger, at: 1)
        #expect(isPatch(patch))
        ledger.lost(patch)
        #expect(!isPatch(try message(&ledger, at: 1)))
    }
}

@Suite(
    "EventRecorder", .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"),
    .timeLimit(.minutes(2)))
struct EventRecorderTests {
    private struct Document: Decodable {
        struct Metadata: Decodable { var name: String, namespace: String }
        struct Series: Decodable { var count: Int, lastObservedTime: String }
        struct Reference: Decodable {
            var apiVersion: String, kind: String, namespace: String?, name: String, uid: String?
        }

        var apiVersion: String?
        var kind: String?
        var metadata: Metadata?
        var eventTime: String?
        var series: Series?
        var reportingController: String?
        var reportingInstance: String?
        var action: String?
        var reason: String?
        var regarding: Reference?
        var note: String?
        var type: String?
    }

    private func recording(_ bench: Bench, _ body: (EventRecorder) async throws -> Void) async throws {
        try await bench.withConnection { (connection) async throws in
            let recorder = EventRecorder(connection, nodeName: "node1", logger: bench.logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await recorder.run() }
                defer { group.cancelAll() }
                try await body(recorder)
            }
        }
    }

    private func documents(_ server: FakeAPIServer) throws -> [Document] {
        try server.requests.map { try JSONDecoder().decode(Document.self, from: Data($0.body)) }
    }

    @Test("Of an Event's answer no more than 64 KiB are read: one without end is a success all the same")
    func endlessAnswer() async throws {
        try await Bench.run { bench in
            bench.server.add(Trouble(.endless, times: 1) { $0.method == "POST" })
            try await recording(bench) { recorder in
                recorder.record(EventLedgerTests.event())
                try await eventually("a request") { bench.server.requests.count == 1 }
                recorder.record(EventLedgerTests.event())
                // A patch: the server has the Event.
                try await eventually("a patch") { bench.server.requests.count == 2 }
            }
            #expect(bench.server.requests.map(\.method) == ["POST", "PATCH"])
        }
    }

    @Test("An event becomes an Event, and its repetition a series of it")
    func posts() async throws {
        try await Bench.run { bench in
            try await recording(bench) { recorder in
                recorder.record(EventLedgerTests.event())
                try await eventually("a request") { bench.server.requests.count == 1 }
                recorder.record(EventLedgerTests.event())
                try await eventually("a patch") { bench.server.requests.count == 2 }
            }
            let requests = bench.server.requests
            let all = try documents(bench.server)
            #expect(requests.map(\.method) == ["POST", "PATCH"])
            let name = try #require(all[0].metadata?.name)
            #expect(requests[0].path == "/apis/events.k8s.io/v1/namespaces/default/events")
            #expect(requests[1].path == "/apis/events.k8s.io/v1/namespaces/default/events/\(name)")
            #expect(requests[1].headers["content-type"] == "application/merge-patch+json")
            #expect(name.hasPrefix("service-1."))
            #expect(all[0].metadata?.namespace == "default")
            #expect([all[0].apiVersion, all[0].kind] == ["events.k8s.io/v1", "Event"])
            #expect([all[0].reportingController, all[0].reportingInstance] == ["fairlead", "fairlead-node1"])
            #expect(
                [all[0].reason, all[0].action, all[0].type, all[0].note]
                    == ["FailedToStartServiceHealthcheck", "Listening", "Warning", "a port is taken"])
            let regarding = try #require(all[0].regarding)
            #expect(
                [regarding.apiVersion, regarding.kind, regarding.namespace, regarding.name, regarding.uid]
                    == ["v1", "Service", "default", "service-1", nil])
            #expect(all[0].series == nil)
            #expect(all[1].series?.count == 2)
            for time in [all[0].eventTime, all[1].series?.lastObservedTime] {
                let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
                let date = try style.parse(try #require(time))
                #expect(abs(date.timeIntervalSinceNow) < 120)
            }
        }
    }

    @Test("An Event about a node is in the namespace default, with the node's name as UID")
    func node() async throws {
        try await Bench.run { bench in
            try await recording(bench) { recorder in
                recorder.record(
                    ClusterEvent(
                        .normal, .node("node1"), reason: "Starting", action: "StartFairlead",
                        note: String(repeating: "long ", count: 1000)))
                try await eventually("a request") { bench.server.requests.count == 1 }
            }
            let document = try #require(documents(bench.server).first)
            #expect(document.metadata?.namespace == "default")
            #expect(document.regarding?.uid == "node1")
            #expect(document.regarding?.namespace == nil)
            #expect(document.note?.utf8.count ?? 0 <= 1024)
            #expect(document.note?.hasSuffix("…") == true)
        }
    }

    @Test("Trouble with Events is only a matter for the debug log", arguments: [403, 404, 422, 500])
    func trouble(code: Int) async throws {
        try await Bench.run { bench in
            bench.server.add(Trouble(.status(code)))
            try await recording(bench) { recorder in
                recorder.record(EventLedgerTests.event())
                try await eventually("a word") {
                    bench.journal.lines.contains { $0.contains("an Event was not taken") }
                }
                recorder.record(EventLedgerTests.event("another"))
                try await eventually("another request") { bench.server.requests.count == 2 }
            }
            #expect(bench.journal.lines.allSatisfy { $0.hasPrefix("debug") })
        }
    }

    @Test("An Event that has vanished is posted again")
    func vanished() async throws {
        try await Bench.run { bench in
            bench.server.add(Trouble(.status(404)) { $0.method == "PATCH" })
            try await recording(bench) { recorder in
                recorder.record(EventLedgerTests.event())
                try await eventually("a request") { bench.server.requests.count == 1 }
                recorder.record(EventLedgerTests.event())
                try await eventually("all requests") { bench.server.requests.count == 3 }
            }
            #expect(bench.server.requests.map(\.method) == ["POST", "PATCH", "POST"])
            #expect(try documents(bench.server).last?.series?.count == 2)
        }
    }
}
