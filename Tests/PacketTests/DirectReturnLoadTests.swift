import DataplaneTestKit
import FairleadTestKit
import Glibc
import NetworkTypes
import Synchronization
import Testing

/// Direct return while requests go on: the router spreads again, endpoints move, nodes are drained, and one is killed.
///
/// With `FAIRLEAD_DIRECT_RETURN_LOAD=long` in both families, and as much as docs/direct-return.md tells of.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DirectReturnLoadTests {
    /// How much happens.
    private struct Extent {
        var moves = 3
        var rehashesOfMove = 5
        var drains = 1
        var families: [IPFamily] = [.ipv4]

        static let ofThisRun: Extent =
            getenv("FAIRLEAD_DIRECT_RETURN_LOAD").map { String(cString: $0) } == "long"
            ? Extent(moves: 50, rehashesOfMove: 2, drains: 10, families: IPFamily.allCases) : Extent()
    }

    /// A cluster whose router and endpoints change.
    private struct Run {
        let cluster: LabCluster
        let family: IPFamily
        private(set) var service: LabService
        private(set) var rehashes = 0
        private(set) var kept = 0
        private(set) var lost: [String] = []
        private(set) var sources: Set<IPAddress> = []
        private var random: SeededGenerator

        var address: IPAddress { DirectReturnBench.address(family) }
        var names: [String] { cluster.lab.nodes.map(\.name) }
        var endpoints: [String] { service.endpoints.keys.sorted() }

        init(_ family: IPFamily, seed: UInt64) async throws {
            self.family = family
            random = SeededGenerator(seed: seed)
            service = DirectReturnBench.service(["node1-a", "node2-a", "node3-a"])
            service.virtualAddresses = [DirectReturnBench.address(family)]
            service.transports = [.tcp]
            cluster = try await LabCluster(service)
        }

        /// Has the router send to some of the nodes; which flow goes to which of them is new each time.
        mutating func rehash(without node: String? = nil) async throws {
            rehashes += 1
            let others = names.filter { $0 != node }.shuffled(using: &random)
            let count = Int.random(in: 1...others.count, using: &random)
            let hops = try others.prefix(count).flatMap {
                [
                    "nexthop", "via", "\(try cluster.lab.host($0).address(family))", "weight",
                    "\(Int.random(in: 1...9, using: &random))",
                ]
            }
            let words = ["route", "replace", "\(address)"] + hops
            try await cluster.lab.router.namespace.execute(Program("ip", words)).requireSuccess()
        }

        /// Connections that begin now.
        func converse(_ count: Int) async throws -> [Conversation] {
            var result: [Conversation] = []
            for _ in 0..<count {
                result.append(
                    try await Conversation.begin(
                        Probe(.tcp, to: HostPort(address, 80)), in: cluster.lab.client.namespace))
            }
            return result
        }

        /// Looks whether connections live whose endpoint does.
        mutating func check(_ connections: [Conversation], _ what: String) async {
            let living = Set(endpoints)
            let expected = connections.filter { living.contains($0.greeting.server) }
            let dead = await withTaskGroup(of: String?.self) { group in
                for connection in expected {
                    group.addTask { connection.echoes(timeLimit: .seconds(10)) ? nil : connection.greeting.server }
                }
                return await group.reduce(into: [String]()) { if let name = $1 { $0.append(name) } }
            }
            kept += expected.count - dead.count
            lost += dead.map { "\(what): \($0)" }
            sources.formUnion(connections.map(\.greeting.source.address))
        }

        /// Waits until all nodes have what the manifests say.
        func followed() async throws {
            for node in cluster.lab.nodes {
                let arguments = [
                    "diff", "--manifests", cluster.directory.path, "--node-name", node.name, "--cluster-cidr",
                    ClusterTopology.clusterCIDRs,
                ]
                let isInLine = try await eventually(within: .seconds(60)) {
                    try await FairleadCommand().run(arguments, in: node.namespace).status == 0
                }
                if isInLine { continue }
                let difference = try await FairleadCommand().run(arguments, in: node.namespace)
                Issue.record("\(node.name): \(difference)")
            }
        }

        /// Moves endpoints as a rollout does, while the router spreads again. All at once: a slot has one place for the endpoint before.
        mutating func move(
            _ olds: [String], to news: [String], rehashes: Int, _ load: Load, _ connections: [Conversation] = []
        ) async throws {
            let connections = try await connections + converse(8)
            for new in news {
                try await cluster.lab.start(new)
                service.endpoints[new] = .ready
            }
            for old in olds { service.endpoints[old] = .terminating }
            try cluster.change(to: service)
            for _ in 0..<rehashes {
                try await rehash()
                #expect(await load.goesOn(for: 20))
            }
            await check(connections, "\(olds) terminate")
            // Requests that came before a node knew of it are over by then.
            try await followed()
            #expect(await load.goesOn(for: 20))
            for old in olds {
                await cluster.lab.end(old)
                service.endpoints[old] = nil
            }
            try cluster.change(to: service)
            try await rehash()
            await check(connections, "\(olds) have gone")
        }

        /// Moves what is on a node away, and has the router send nothing there.
        mutating func drain(_ node: String, _ load: Load) async throws {
            let connections = try await converse(8)
            let olds = endpoints.filter { $0.hasPrefix(node) }
            if !olds.isEmpty {
                let news = try free(olds.count, without: node)
                try await move(olds, to: news, rehashes: 1, load, connections)
            }
            try await followed()
            try await rehash(without: node)
            #expect(await load.goesOn(for: 40))
            await check(connections, "\(node) drained")
            try await rehash()
        }

        /// Cuts a node off, and has its endpoints gone a little later.
        mutating func kill(_ node: String) async throws {
            let connections = try await converse(24)
            let words = ["link", "set", node, "down"]
            try await cluster.lab.router.namespace.execute(Program("ip", words)).requireSuccess()
            try await rehash(without: node)
            let gone = endpoints.filter { $0.hasPrefix(node) }
            for pod in gone { service.endpoints[pod] = nil }
            await check(connections, "\(node) killed, objects as before")
            try cluster.change(to: service)
            try await followed()
            for _ in 0..<3 {
                try await rehash(without: node)
                await check(connections, "\(node) killed")
            }
        }

        /// Pods that are no endpoints, on other nodes, as many as there are up to a number.
        mutating func free(_ count: Int, without node: String? = nil) throws -> [String] {
            let all = cluster.lab.pods.map(\.name).filter { pod in
                service.endpoints[pod] == nil && (node.map { !pod.hasPrefix($0) } ?? true)
            }
            try #require(!all.isEmpty)
            return Array(all.shuffled(using: &random).prefix(count))
        }

        /// An endpoint.
        mutating func endpoint() throws -> String { try #require(endpoints.randomElement(using: &random)) }
    }

    @Test(
        "direct return under load: rehashes, moves and drained nodes lose nothing, a killed node only what was on it",
        arguments: Extent.ofThisRun.families)
    func load(_ family: IPFamily) async throws {
        let extent = Extent.ofThisRun
        let seed = SeededGenerator.environmentSeed
        print("direct return under load: FAIRLEAD_SEED=\(seed)")
        var run = try await Run(family, seed: seed)
        try await run.rehash()
        var options = Load.Options()
        options.timeLimit = .seconds(5)
        let start = ContinuousClock.now
        let load = Load(to: HostPort(run.address, 80), from: run.cluster.lab.client, options)
        #expect(await load.goesOn(for: 100))
        var drained = 0
        for move in 0..<extent.moves {
            let old = try run.endpoint()
            try await run.move([old], to: try run.free(1), rehashes: extent.rehashesOfMove, load)
            if (move + 1) % max(extent.moves / extent.drains, 1) == 0, drained < extent.drains {
                try await run.drain(run.names[drained % 3], load)
                drained += 1
            }
        }
        let report = try await load.stop()
        let rate = Double(report.sent) / ((ContinuousClock.now - start) / .seconds(1))
        print(
            "load: direct return, \(family): \(run.rehashes) rehashes, \(extent.moves) moves, \(drained) drains, "
                + "\(Int(rate)) requests/s, \(run.kept) looks at standing connections, \(run.lost.count) lost: \(report)"
        )
        #expect(report.failed == 0, "\(report)")
        #expect(run.lost.isEmpty, "\(run.lost)")
        #expect(report.sources.union(run.sources) == [run.cluster.lab.client.address(family)])
        // One that has an endpoint.
        let node = String(try run.endpoint().prefix(5))
        try await run.kill(node)
        #expect(run.lost.isEmpty, "\(run.lost)")
        let after = Load(to: HostPort(run.address, 80), from: run.cluster.lab.client, options)
        #expect(await after.goesOn(for: 100))
        let rest = try await after.stop()
        #expect(rest.failed == 0 && rest.answers(node) == 0, "\(rest)")
        #expect(rest.sources == [run.cluster.lab.client.address(family)])
    }
}
