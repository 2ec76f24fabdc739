import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// A virtual address that keepalived moves, as docs/virtual-addresses.md has it configured, in the versions of Debian 12 and 13.
@Suite(.serialized, .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct KeepalivedTests {
    private static let builds = Neighbour.runnable("keepalived")

    /// The nodes of a cluster with a keepalived each.
    private struct Bench: Sendable {
        let cluster: LabCluster
        let daemons: [Daemon]

        init(_ service: LabService, _ build: Neighbour) async throws {
            cluster = try await LabCluster(service)
            let text = try Lab.document().block("keepalived.conf")
            var daemons: [Daemon] = []
            for node in cluster.lab.nodes {
                let base = "\(cluster.directory.path)/keepalived-\(node.name)"
                let path = try cluster.directory.write(
                    text.replacing("NODE_ADDRESS", with: "\(node.ipv4)"), to: "keepalived-\(node.name).conf")
                // Of each file for a process's number there is one for the machine, if nothing else is said.
                let files = ["-p", "\(base).pid", "-r", "\(base).vrrp", "-b", "\(base).bfd"]
                var program = Program(
                    build.path(), ["-n", "-l", "-P", "-f", path] + files, timeLimit: .seconds(300))
                program.environment = ["no_proxy": "*"]
                daemons.append(try await Daemon(program, in: node.namespace))
            }
            self.daemons = daemons
        }

        /// The nodes that have the address.
        func holders() async throws -> [String] {
            var result: [String] = []
            for node in cluster.lab.nodes {
                let program = Program("ip", ["-4", "address", "show", "dev", "eth0"])
                let text = try await node.namespace.execute(program).requireSuccess().standardOutput
                if text.contains(" \(LabTopology.linkIPv4)/32 ") { result.append(node.name) }
            }
            return result
        }

        func hold(_ nodes: [String]) async throws {
            let isSo = try await eventually(within: .seconds(30)) { try await holders() == nodes }
            let last = try await holders()
            #expect(isSo, "\(last), expected \(nodes)\n\(daemons.map(\.output).joined())")
        }
    }

    @Test(
        "Debian 13's keepalived is there where nothing may be left out",
        .enabled(if: Capability.requiresNetworks && Neighbour.ownSuite != .trixie))
    func presence() {
        let build = Neighbour("keepalived", .trixie)
        #expect(build.isPresent, "\(build.absence())")
    }

    @Test(
        "the address is on a node whose health check port answers 200, and moves with the endpoints", arguments: builds)
    func move(_ build: Neighbour) async throws {
        var service = LabService(policy: "Local", ready: ["node1-a"])
        let bench = try await Bench(service, build)
        defer { for daemon in bench.daemons { daemon.signal(SIGTERM) } }
        try await bench.hold(["node1"])
        #expect(bench.daemons.allSatisfy { $0.output.contains("Starting Keepalived v") })
        let load = Load(to: HostPort(LabTopology.linkIPv4, 80), from: bench.cluster.lab.client)
        #expect(await load.goesOn(for: 100))
        #expect(load.report.failed == 0)
        // Another node has an endpoint as well: nothing moves. Then only the other has one.
        try await bench.cluster.lab.start("node2-a")
        service.endpoints["node2-a"] = .ready
        try bench.cluster.change(to: service)
        #expect(try await eventually { try await bench.cluster.healthStatus("node2") == "200" })
        try await Task.sleep(for: .seconds(3))
        try await bench.hold(["node1"])
        #expect(load.report.failed == 0)
        service.endpoints["node1-a"] = .terminating
        let start = ContinuousClock.now
        try bench.cluster.change(to: service)
        try await bench.hold(["node2"])
        let taken = ContinuousClock.now - start
        let isServed = await eventually(within: .seconds(20)) {
            let before = load.report
            let goesOn = await load.goesOn(for: 40)
            return goesOn && load.report.failed == before.failed
                && Set(load.report.servers(since: before).keys) == ["node2-a"]
        }
        #expect(isServed)
        let moved = load.report.failed
        #expect(await load.goesOn(for: 100))
        let report = try await load.stop()
        print("load: \(build): address on another node after \(taken), from the change of the endpoints on")
        Lab.record("\(build), Local, a move", report)
        #expect(report.failed == moved)
        #expect(report.sources == [bench.cluster.lab.client.ipv4])
    }
}
