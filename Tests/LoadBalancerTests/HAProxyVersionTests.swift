import FairleadTestKit
import NetworkTypes
import Synchronization
import Testing

/// `fairlead lb-pool` and HAProxy of several versions, which word their answers each in its own way.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct HAProxyVersionTests {
    /// HAProxy in a namespace of its own, and the Service whose nodes are its servers. There are no nodes behind them.
    private struct Bench: Sendable {
        let namespace: NetworkNamespace
        let directory: TemporaryDirectory
        let haproxy: HAProxy

        init(_ build: Neighbour) async throws {
            namespace = try NetworkNamespace("haproxy")
            directory = try TemporaryDirectory()
            let text = try Lab.document().block("haproxy-pool.cfg").replacing("192.0.2.80:80", with: "127.0.0.1:8080")
            haproxy = try await HAProxy(text, in: namespace, build: build)
            print("haproxy: \(build): \(try await build.version(in: namespace, by: "-v"))")
            try write(counts: [1, 1, 1])
        }

        /// - Parameter counts: how many ready endpoints each node has.
        func write(counts: [Int], nodePort: UInt16 = 30080) throws(TestKitError) {
            var service = ServiceManifest("web")
            service.type = "LoadBalancer"
            service.clusterIPs = ["10.96.0.80"]
            service.externalPolicy = "Local"
            service.ports = [.init("http", .tcp, 80, nodePort: nodePort)]
            var slice = SliceManifest("web-4", service: "web", family: .ipv4)
            slice.ports = [.init("http", .tcp, 8080)]
            for (index, count) in counts.enumerated() {
                for number in 0..<count {
                    let address = IPAddress(stringLiteral: "10.128.\(index + 1).\(number + 1)")
                    slice.endpoints.append(.init(address, node: "node\(index + 1)", conditions: ["ready": true]))
                }
            }
            let nodes = counts.indices.map { Manifest.node("node\($0 + 1)", ["172.30.0.1\($0 + 1)"], labels: [:]) }
            try directory.write(Manifest.documents(nodes + [service.yaml, slice.yaml]), to: "web.yaml")
        }

        func arguments(_ socket: String) -> [String] {
            [
                "lb-pool", "default/web", "--manifests", directory.path, "--family", "IPv4", "--backend", "web",
                "--haproxy-socket", socket,
            ]
        }

        func watch(_ socket: String) async throws -> Daemon {
            let more = ["--watch", "--interval", "200", "--server-options", "check port 10256 inter 250ms"]
            return try await FairleadCommand().start(arguments(socket) + more, in: namespace)
        }

        /// Address and port, weight, and whether it is in, as HAProxy has them.
        func servers() throws -> [String: String] {
            var result: [String: String] = [:]
            for line in try haproxy.ask("show servers state web").split(separator: "\n").dropFirst(2) {
                let cells = line.split(separator: " ")
                if cells.count > 18 { result[String(cells[3])] = "\(cells[4]):\(cells[18]) \(cells[7]) \(cells[6])" }
            }
            return result
        }

        func become(_ expected: [String: String]) async throws {
            let isSo = try await eventually(within: .seconds(20)) { try servers() == expected }
            let last = try servers()
            #expect(isSo, "\(last), expected \(expected)")
        }
    }

    @Test(
        "Debian 13's HAProxy is there where nothing may be left out",
        .enabled(if: Capability.requiresNetworks && Neighbour.ownSuite != .trixie))
    func presence() {
        let build = Neighbour("haproxy", .trixie)
        #expect(build.isPresent, "\(build.absence())")
    }

    @Test(
        "two watchers at one HAProxy, and an operator who makes the same changes first: all done, and nothing is an error",
        arguments: Neighbour.runnable("haproxy"))
    func sameChanges(_ build: Neighbour) async throws {
        let bench = try await Bench(build)
        // Each command of the second watcher has been given by somebody else just before.
        let relay = try HAProxyRelay(to: bench.haproxy) { command, ask in
            if !command.hasPrefix("show") { _ = ask(command) }
            return ask(command)
        }
        let watchers = [try await bench.watch(bench.haproxy.socket), try await bench.watch(relay.socket)]
        func say(_ counts: [Int], _ port: UInt16) async throws {
            try bench.write(counts: counts, nodePort: port)
            var expected: [String: String] = [:]
            for (index, count) in counts.enumerated() where count > 0 {
                expected["node\(index + 1)"] = "172.30.0.1\(index + 1):\(port) \(count) 0"
            }
            try await bench.become(expected)
        }
        try await bench.become((1...3).reduce(into: [:]) { $0["node\($1)"] = "172.30.0.1\($1):30080 1 0" })
        // The same without the other watcher in between: then it is surely the relay that has been there first.
        for round in 0..<4 { try await say([round + 1, 5 - round, round + 2], UInt16(30081 + round)) }
        watchers[0].signal(15)
        #expect(try await watchers[0].waitForEnd().status == 0)
        for round in 0..<4 { try await say([round + 2, 4 - round, round + 1], UInt16(30090 + round)) }
        let answers = relay.log.map(\.answer)
        #expect(answers.contains { $0.contains("no need to change") || $0.contains("nothing changed") }, "\(answers)")
        for watcher in watchers {
            #expect(!watcher.output.contains("HAProxy"), "\(watcher.output)")
        }
        #expect(watchers[1].output.contains(" addr 172.30.0.1"), "\(watchers[1].output)")
    }

    @Test(
        "what one server is refused, or an answer that nobody knows, leaves the others their changes",
        arguments: Neighbour.runnable("haproxy"))
    func refusal(_ build: Neighbour) async throws {
        let bench = try await Bench(build)
        let refuses = Atomic<Bool>(true)
        let relay = try HAProxyRelay(to: bench.haproxy) { command, ask in
            if command.hasPrefix("show") { return ask(command) }
            if command.contains("web/node1"), refuses.load(ordering: .relaxed) { return "Not today.\n\n" }
            _ = ask(command)
            return "Words of a later version.\n\n"
        }
        try bench.write(counts: [3, 4, 5], nodePort: 30088)
        let once = try await FairleadCommand().run(bench.arguments(relay.socket), in: bench.namespace)
        #expect(once.status == 1)
        let refusal = "server web/node1: HAProxy answers \"Not today.\" to \"set server web/node1 addr"
        #expect(once.standardError.contains(refusal), "\(once)")
        #expect(!once.standardError.contains("node2") && !once.standardError.contains("node3"), "\(once)")
        try await bench.become([
            "node1": "172.30.0.11:30080 0 0", "node2": "172.30.0.12:30088 4 0", "node3": "172.30.0.13:30088 5 0",
        ])
        // The watcher says it once, and says when it is over.
        let watcher = try await bench.watch(relay.socket)
        try await watcher.waitForOutput(refusal)
        refuses.store(false, ordering: .relaxed)
        try await bench.become([
            "node1": "172.30.0.11:30088 3 0", "node2": "172.30.0.12:30088 4 0", "node3": "172.30.0.13:30088 5 0",
        ])
        try await watcher.waitForOutput("server web/node1: HAProxy has it as it should be")
        #expect(watcher.output.matches(of: /Not today/).count == 1, "\(watcher.output)")
    }

    @Test(
        "what somebody else has changed back is said when it is so at two looks, and at once where there is one only",
        arguments: [2, .max], Neighbour.runnable("haproxy"))
    func changedBack(times: Int, _ build: Neighbour) async throws {
        let bench = try await Bench(build)
        // HAProxy takes the command, and somebody else takes it back.
        let left = Atomic<Int>(times)
        let lost = Atomic<Int>(0)
        let relay = try HAProxyRelay(to: bench.haproxy) { command, ask in
            guard command.hasPrefix("set server web/node1 weight"), left.load(ordering: .relaxed) > 0 else {
                return ask(command)
            }
            left.subtract(1, ordering: .relaxed)
            lost.add(1, ordering: .relaxed)
            return "\n"
        }
        try bench.write(counts: [2, 3, 4])
        let expected = [
            "node1": "172.30.0.11:30080 2 0", "node2": "172.30.0.12:30080 3 0", "node3": "172.30.0.13:30080 4 0",
        ]
        let complaint = "server web/node1: HAProxy was told"
        let watcher = try await bench.watch(relay.socket)
        if times == .max {
            try await watcher.waitForOutput(complaint)
            let once = try await FairleadCommand().run(bench.arguments(relay.socket), in: bench.namespace)
            #expect(once.status == 1 && once.standardError.contains(complaint), "\(once)")
            left.store(0, ordering: .relaxed)
            try await watcher.waitForOutput("server web/node1: HAProxy has it as it should be")
        }
        try await bench.become(expected)
        // Twice in one look: told, and told again.
        #expect(lost.load(ordering: .relaxed) >= (times == .max ? 6 : 2))
        #expect(watcher.output.matches(of: /HAProxy was told/).count == (times == .max ? 1 : 0), "\(watcher.output)")
    }
}
