import APIServerKit
import FairleadTestKit
import KubernetesModel
import NetworkTypes
import Testing
import WireTestKit

@testable import KubernetesClient

/// How a server gives lists.
enum ListMode: CaseIterable {
    /// As streams.
    case streamed
    /// In pages.
    case paged
    /// Whole, from its memory.
    case whole

    func apply(to server: FakeAPIServer) {
        server.behave {
            $0.streaming = self == .streamed ? .served : .invalid
            $0.ignoresLimitOfOldLists = self == .whole
        }
    }
}

/// The source against a server that does what it should.
@Suite(
    "APISource", .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"),
    .timeLimit(.minutes(3)))
struct SourceTests {
    @Test("Everything is listed, then every change is told", arguments: ListMode.allCases)
    func follows(mode: ListMode) async throws {
        try await Bench.run { bench in
            mode.apply(to: bench.server)
            let cluster = bench.server.cluster
            SampleCluster.fill(cluster, services: 50)
            var timing = Bench.timing
            timing.pageSize = 7
            try await bench.following(timing) { view in
                try await bench.converged(view)
                cluster.apply([SampleCluster.service(3, port: 81), SampleCluster.service(50)])
                cluster.delete(SampleCluster.slice(4).id)
                try await bench.converged(view)
                #expect(
                    bench.server.requests.filter { !$0.isWatch && $0.kind == .service }.count
                        == [ListMode.streamed: 0, .paged: 8, .whole: 1][mode])
                #expect(
                    bench.server.requests.filter {
                        $0.isWatch && $0.kind == .service && $0.query["sendInitialEvents"] == nil
                    }.count
                        == [ListMode.streamed: 0, .paged: 1, .whole: 1][mode])
            }
        }
    }

    @Test("Headless and foreign Services, and other nodes, stay on the server")
    func selectors() async throws {
        try await Bench.run { bench in
            let cluster = bench.server.cluster
            SampleCluster.fill(cluster, services: 2)
            var foreign = Service(key: ObjectKey(namespace: "default", name: "foreign"))
            foreign.serviceProxyName = "other"
            var headless = EndpointSlice(key: ObjectKey(namespace: "default", name: "headless"), serviceName: "h")
            headless.isHeadless = true
            let hidden: [ClusterObject] = [.service(foreign), .endpointSlice(headless), SampleCluster.node("node2")]
            cluster.apply(hidden)
            let ids = Set(hidden.map(\.id))
            try await bench.following(hidden: ids) { view in
                try await bench.converged(view, without: ids)
                // It becomes another proxy's: for us it is gone.
                guard case .service(var service) = SampleCluster.service(0) else { return }
                service.serviceProxyName = "other"
                try await eventually("a watch") { cluster.watchCount == 4 }
                let updates = await view.updates
                cluster.noteGone(SampleCluster.service(0).id)
                cluster.apply([.service(service)])
                try await eventually("it is gone") { await view.objects[SampleCluster.service(0).id] == nil }
                #expect(await view.updates == updates + 1)
            }
        }
    }

    @Test("A server without ServiceCIDRs, or that keeps them to itself, is no less ready", arguments: [403, 404])
    func withoutRanges(code: Int) async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster, services: 2)
            bench.server.add(
                Trouble(.status(code), times: 6) { $0.path.contains("servicecidrs") })
            bench.server.cluster.delete(SampleCluster.range.id)
            var timing = Bench.timing
            timing.absentRetry = .seconds(1)
            try await bench.following(timing) { view in
                try await bench.converged(view)
                #expect(bench.journal.lines.filter { $0.hasPrefix("info: servicecidrs cannot be followed") }.count == 1)
                // Later it is there.
                bench.server.cluster.apply([SampleCluster.range])
                try await bench.converged(view)
                #expect(!bench.journal.lines.contains { $0.hasPrefix("warning") })
            }
        }
    }

    @Test("A node that does not exist yet does not keep anything back")
    func withoutNode() async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster, services: 2)
            bench.server.cluster.delete(SampleCluster.node("node1").id)
            try await bench.following { view in
                try await bench.converged(view)
                bench.server.cluster.apply([SampleCluster.node("node1")])
                try await bench.converged(view)
            }
        }
    }

    @Test("An object that is invalid is told until it is mended or gone, its last good version stays")
    func invalid() async throws {
        try await Bench.run { bench in
            let cluster = bench.server.cluster
            SampleCluster.fill(cluster, services: 3)
            try await bench.following { view in
                try await bench.converged(view)
                let id = SampleCluster.service(1).id
                let before = try #require(await view.objects[id])
                guard case .service(var service) = SampleCluster.service(1) else { return }
                service.ports = [ServicePort(port: 0)]
                let bad = ClusterObject.service(service)
                cluster.apply(id) { bad.protobuf(EncodedMetadata(resourceVersion: $0)) }
                try await eventually("a finding") { await view.held == [id.key] }
                #expect(await view.findings.map(\.severity) == [.error])
                #expect(await view.findings.map(\.subject) == [id])
                #expect(await view.objects[id] == before)
                // It holds over other changes and a list.
                cluster.apply([SampleCluster.service(2, port: 99)])
                cluster.compact()
                await bench.server.disturb(.expired)
                let expected = cluster.objects.merging([id: before]) { $1 }
                try await eventually("the rest") { await view.objects == expected }
                #expect(await view.held == [id.key])
                cluster.apply([SampleCluster.service(1, port: 98)])
                try await bench.converged(view)
                #expect(await view.held.isEmpty)
                #expect(await view.findings.isEmpty)
            }
        }
    }

    @Test("A watch that the server ends in time goes on without a gap or a list", arguments: ListMode.allCases)
    func timeouts(mode: ListMode) async throws {
        try await Bench.run { bench in
            mode.apply(to: bench.server)
            SampleCluster.fill(bench.server.cluster, services: 5)
            var timing = Bench.timing
            timing.watchSeconds = 1...1
            try await bench.following(timing) { view in
                try await bench.converged(view)
                let lists = bench.server.requests.filter { !$0.isWatch }.count
                for number in 0..<50 {
                    bench.server.cluster.apply([SampleCluster.service(number % 5, port: UInt16(100 + number))])
                    try await Task.sleep(for: .milliseconds(50))
                }
                try await bench.converged(view)
                #expect(bench.server.requests.filter { !$0.isWatch }.count == lists)
                #expect(!bench.journal.lines.contains { $0.hasPrefix("warning") })
            }
        }
    }

    @Test("A lone change is told at once, and each one")
    func promptness() async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster, services: 5)
            try await bench.following { view in
                try await bench.converged(view)
                let clock = ContinuousClock()
                var times: [Duration] = []
                for number in 0..<20 {
                    let before = await view.updates
                    let start = clock.now
                    bench.server.cluster.apply([SampleCluster.service(0, port: UInt16(1000 + number))])
                    while await view.updates == before { try await Task.sleep(for: .milliseconds(1)) }
                    times.append(clock.now - start)
                }
                try await bench.converged(view)
                // A millisecond, if the machine is not busy: nothing waits for more changes.
                #expect(try #require(times.min()) < .seconds(1))
            }
        }
    }

    @Test("A flood that the consumer cannot keep up with is folded, and read only as fast as it is taken")
    func flood() async throws {
        try await Bench.run { bench in
            ListMode.paged.apply(to: bench.server)
            SampleCluster.fill(bench.server.cluster, services: 300)
            var timing = Bench.timing
            timing.pageSize = 50
            try await bench.following(timing, waitingLimit: 100, pause: .milliseconds(20)) { view in
                try await bench.converged(view)
                #expect(await view.largestUpdate <= 100 + 50 * 2 + 10)
                let updates = await view.updates
                for round in 0..<40 {
                    bench.server.cluster.apply(
                        (0..<100).map { SampleCluster.service($0, port: UInt16(1 + round)) })
                }
                try await bench.converged(view)
                #expect(await view.updates - updates < 4000)
                #expect(await view.largestUpdate <= 100 + 4000)
            }
        }
    }

    @Test("When the task is cancelled everything ends")
    func end() async throws {
        try await Bench.run { bench in
            SampleCluster.fill(bench.server.cluster, services: 5)
            try await bench.following { view in
                try await bench.converged(view)
                try await eventually("watches") { bench.server.cluster.watchCount == 4 }
            }
            try await eventually("no watches") { bench.server.cluster.watchCount == 0 }
        }
    }
}
