import APIServerKit
import FairleadTestKit
import KubernetesConfiguration
import KubernetesModel
import Testing

@testable import KubernetesClient

/// The source against servers and networks that misbehave. `ClusterView` checks after each update that nothing is told to
/// be gone that the server has; in the end the client knows what the server has.
@Suite(
    "Trouble with the API server",
    .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"),
    .timeLimit(.minutes(3)))
struct TroubleTests {
    /// Starts with trouble, or gets into it, and comes out of it.
    private func survive(
        _ mode: ListMode, services: Int = 20, timing: ReflectorTiming = Bench.timing,
        before: (FakeAPIServer) -> Void = { _ in },
        during: (FakeAPIServer) async throws -> Void
    ) async throws {
        try await Bench.run { bench in
            let cluster = bench.server.cluster
            mode.apply(to: bench.server)
            SampleCluster.fill(cluster, services: services)
            before(bench.server)
            var timing = timing
            timing.pageSize = 6
            try await bench.following(timing) { view in
                try await bench.converged(view)
                // The client waits for the server, and the other way round.
                try await eventually("watches") { cluster.watchCount == 4 }
                try await during(bench.server)
                cluster.delete(SampleCluster.service(1).id)
                cluster.apply([SampleCluster.service(2, port: 99), SampleCluster.slice(2, endpoint: 7)])
                cluster.apply([SampleCluster.service(1000), SampleCluster.slice(1000)])
                try await bench.converged(view)
                try await eventually("the trouble is met") { !bench.server.hasTrouble }
                // And it still follows.
                try await eventually("watches") { cluster.watchCount == 4 }
                cluster.delete(SampleCluster.slice(3).id)
                try await bench.converged(view)
            }
        }
    }

    @Test(
        "The first list does not come as it should", arguments: ListMode.allCases,
        [
            Trouble.Kind.status(500), .status(502), .status(504), .status(503, retryAfter: 0),
            .status(429, retryAfter: 0), .status(401, reason: "Unauthorized"), .status(403), .text(502, "<html>"),
            .page("<html>welcome to the hotel</html>"), .hangUp, .cut(afterBytes: 0), .cut(afterBytes: 7),
            .cut(afterBytes: 700), .garbage(afterBytes: 0), .garbage(afterBytes: 300),
            .errorEvent(410, reason: "Expired"), .errorEvent(500, reason: "InternalError"),
        ])
    func badFirstList(mode: ListMode, trouble: Trouble.Kind) async throws {
        try await survive(mode) { server in
            // The other kinds have too few bytes for some of the troubles, and a right that is missing may be none.
            for kind in [ObjectID.Kind.service, .endpointSlice] { server.add(.lists(kind, trouble, times: 3)) }
        } during: { _ in
        }
    }

    @Test("A list that comes byte by byte is waited for", arguments: ListMode.allCases)
    func slowList(mode: ListMode) async throws {
        var timing = Bench.timing
        timing.listSilence = .milliseconds(700)
        try await survive(mode, services: 8, timing: timing) { server in
            server.add(.lists(.service, .drip(bytes: 20, milliseconds: 5)))
            server.add(.lists(.endpointSlice, .delay(milliseconds: 200)))
        } during: { _ in
        }
    }

    @Test("A list that stops in the middle is asked for again", arguments: ListMode.allCases, [0, 500])
    func silentList(mode: ListMode, bytes: Int) async throws {
        var timing = Bench.timing
        timing.listSilence = .milliseconds(300)
        try await survive(mode, timing: timing) { server in
            server.add(.lists(.service, .stall(afterBytes: bytes), times: 2))
            server.add(.lists(.endpointSlice, .stall(afterBytes: bytes)))
        } during: { _ in
        }
    }

    @Test("The rest of a list expires while it is read, again and again")
    func expiredPages() async throws {
        try await Bench.run { bench in
            let cluster = bench.server.cluster
            ListMode.paged.apply(to: bench.server)
            SampleCluster.fill(cluster)
            var timing = Bench.timing
            timing.pageSize = 5
            bench.server.add(
                Trouble(.status(410, reason: "Expired"), times: 2) { $0.query["continue"] != nil })
            try await bench.following(timing) { view in
                try await bench.converged(view)
                #expect(!bench.server.hasTrouble)
                let whole = bench.server.requests.filter { !$0.isWatch && $0.query["limit"] == nil }
                #expect(!whole.isEmpty)
            }
        }
    }

    @Test(
        "A watch is disturbed", arguments: ListMode.allCases,
        [
            Disturbance.cut, .end, .halfEventThenCut, .garbage, .expired,
            .errorEvent(500, reason: "InternalError", message: "etcd"),
            .errorEvent(429, reason: "TooManyRequests", message: "slow down"),
        ])
    func disturbed(mode: ListMode, disturbance: Disturbance) async throws {
        try await survive(mode) { server in
            // What happens while nobody watches must not be lost.
            server.cluster.delete(SampleCluster.service(5).id)
            await server.disturb(disturbance)
            server.cluster.delete(SampleCluster.service(6).id)
            server.cluster.apply([SampleCluster.service(5, port: 77)])
            await server.disturb(disturbance)
        }
    }

    @Test("A watch that goes silent is cut", arguments: [Disturbance.silence, .halfEventThenSilence])
    func silentWatch(disturbance: Disturbance) async throws {
        var timing = Bench.timing
        timing.bookmarkSilence = .milliseconds(400)
        // Bookmarks keep the others alive.
        try await survive(.paged, timing: timing) { server in
            server.behave { $0.bookmarkMilliseconds = 50 }
        } during: { server in
            try await Task.sleep(for: .milliseconds(100))
            await server.disturb(disturbance)
            server.cluster.delete(SampleCluster.service(5).id)
        }
    }

    @Test("A watch without bookmarks that outlives its time is cut")
    func endlessWatch() async throws {
        var timing = Bench.timing
        timing.watchSeconds = 1...1
        timing.watchSlack = .milliseconds(200)
        try await survive(.streamed, timing: timing) { server in
            await server.disturb(.silence)
            server.cluster.delete(SampleCluster.service(5).id)
        }
    }

    @Test("The history is gone when a watch comes back", arguments: ListMode.allCases, [false, true])
    func compacted(mode: ListMode, byStatus: Bool) async throws {
        try await survive(mode) { server in
            server.behave { $0.expiresByStatus = byStatus }
        } during: { server in
            // Not while anybody could resume.
            server.add(Trouble(.status(503, retryAfter: 0), times: 8) { $0.isWatch })
            await server.disturb(.cut)
            server.cluster.delete(SampleCluster.service(5).id)
            server.cluster.apply([SampleCluster.service(6, port: 77)])
            server.cluster.compact()
        }
    }

    @Test("Lists fail after the history is gone", arguments: ListMode.allCases)
    func badRelist(mode: ListMode) async throws {
        try await survive(mode) { server in
            for kind in [ObjectID.Kind.service, .endpointSlice] {
                for trouble in [Trouble.Kind.status(500), .cut(afterBytes: 300), .garbage(afterBytes: 200)] {
                    server.add(.lists(kind, trouble))
                }
            }
            server.cluster.delete(SampleCluster.service(5).id)
            server.cluster.compact()
            await server.disturb(.expired)
        }
    }

    @Test("Watches are refused for a while", arguments: [401, 403, 429, 500, 503])
    func refusedWatches(code: Int) async throws {
        try await survive(.paged) { server in
            server.add(.watches(nil, .status(code, retryAfter: code == 429 ? 0 : nil), times: 12))
            await server.disturb(.cut)
            server.cluster.delete(SampleCluster.service(5).id)
        }
    }

    @Test("The server goes away and comes back on the same port", arguments: ListMode.allCases)
    func restart(mode: ListMode) async throws {
        try await survive(mode) { server in
            for _ in 0..<3 {
                await server.goAway()
                server.cluster.delete(SampleCluster.service(5).id)
                server.cluster.apply([SampleCluster.service(5, port: 77)])
                try await Task.sleep(for: .milliseconds(60))
                try await server.comeBack()
            }
        }
    }

    @Test("A server that is not there yet is waited for")
    func lateServer() async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster)
            await bench.server.goAway()
            try await bench.following { view in
                try await eventually("a complaint") { !bench.journal.lines.isEmpty }
                #expect(await view.updates == 0)
                try await bench.server.comeBack()
                try await bench.converged(view)
                #expect(bench.journal.lines.contains { $0.hasPrefix("notice: the API server answers again") })
            }
        }
    }

    @Test("Retry-After is heeded")
    func retryAfter() async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster)
            bench.server.add(.lists(.service, .status(429, retryAfter: 1)))
            let start = ContinuousClock.now
            try await bench.following { view in
                try await bench.converged(view)
                #expect(ContinuousClock.now - start >= .seconds(1))
            }
        }
    }

    @Test("A token expires; the new one in its file is used")
    func expiredToken() async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster)
            let directory = try TemporaryDirectory()
            let path = try directory.write("first", to: "token")
            bench.server.behave { $0.tokens = ["first"] }
            var settings = bench.settings
            settings.credential = .tokenFile(path)
            try await bench.following(settings: settings) { view in
                try await bench.converged(view)
                bench.server.behave { $0.tokens = ["second"] }
                await bench.server.disturb(.cut)
                try await eventually("a refusal") { bench.journal.lines.contains { $0.contains("401 Unauthorized") } }
                bench.server.cluster.delete(SampleCluster.service(5).id)
                try directory.write("second", to: "token")
                try await bench.converged(view)
            }
        }
    }

    @Test("The server gets a certificate of a new authority, and the client is told of it later")
    func rotatedAuthority() async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster)
            let files = try TemporaryDirectory()
            var settings = bench.settings
            settings.certificateAuthority = .file(
                try files.write(bench.authority.authority.certificate, to: "ca.crt"))
            let other = try await CertificateAuthority("new authority")
            let certificate = try await other.server()
            try await bench.following(settings: settings) { view in
                try await bench.converged(view)
                try bench.server.use(certificate)
                await bench.server.closeConnections()
                try await eventually("a refusal") { bench.journal.lines.contains { $0.contains("trusted authority") } }
                bench.server.cluster.delete(SampleCluster.service(5).id)
                try files.write(other.authority.certificate, to: "ca.crt")
                try await bench.converged(view)
            }
        }
    }

    @Test("A server whose versions begin again is believed")
    func olderServer() async throws {
        try await survive(.paged) { server in
            server.add(
                Trouble(.status(504, reason: "Timeout", message: "Too large resource version: 9, current: 3"), times: 4)
                {
                    !$0.isWatch && $0.query["resourceVersion"] != nil
                })
            server.cluster.compact()
            await server.disturb(.expired)
        }
    }

    @Test("Everything at once, for a while", arguments: ListMode.allCases)
    func storm(mode: ListMode) async throws {
        try await survive(mode, services: 30) { server in
            let kinds: [Trouble.Kind] = [
                .status(500), .hangUp, .cut(afterBytes: 100), .garbage(afterBytes: 50), .status(429, retryAfter: 0),
                .status(410, reason: "Expired"), .errorEvent(410, reason: "Expired"), .page("no"),
            ]
            let disturbances: [Disturbance] = [.cut, .halfEventThenCut, .garbage, .expired, .end]
            for round in 0..<40 {
                server.add(Trouble(kinds[round % kinds.count]))
                server.cluster.apply([SampleCluster.service(round % 30, port: UInt16(100 + round))])
                if round % 3 == 0 { server.cluster.delete(SampleCluster.service(20 + round % 10).id) }
                if round % 7 == 0 { server.cluster.compact() }
                await server.disturb(disturbances[round % disturbances.count])
                try await Task.sleep(for: .milliseconds(15))
            }
            try await eventually("the end of the troubles") {
                if server.hasTrouble { await server.disturb(.cut) }
                return !server.hasTrouble
            }
        }
    }
}
