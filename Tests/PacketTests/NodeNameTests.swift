import APIServerKit
import FairleadTestKit
import Foundation
import Glibc
import KubernetesModel
import NetworkTypes
import Testing

/// The node that is not there, and why a node is not in line.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NodeNameTests {
    /// The answers of `/healthz` and `/livez`.
    private static func health(_ namespace: NetworkNamespace) async throws -> [String] {
        var codes: [String] = []
        for path in ["healthz", "livez"] {
            let program = Program(
                "curl",
                ["-sg", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:10256/\(path)"])
            codes.append(try await namespace.execute(program).standardOutput)
        }
        return codes
    }

    private static func metric(_ namespace: NetworkNamespace) async throws -> Double? {
        let program = Program("curl", ["-sg", "--max-time", "5", "http://127.0.0.1:10249/metrics"])
        return try PrometheusPage(try await namespace.execute(program).standardOutput).values["fairlead_node_missing"]
    }

    private static func status(_ namespace: NetworkNamespace) async throws -> String {
        try await FairleadCommand().run(["status"], in: namespace).standardOutput
    }

    private static let node = ObjectID(kind: .node, key: ObjectKey(name: "node1"))

    @Test("over the API a node name that no Node has fails /healthz, not /livez, and is told with the nearest names")
    func wrongName() async throws {
        let bench = try await APIBench([.ready("local-1")])
        let node = bench.cluster.node1.namespace
        let daemon = try await bench.start(["--node-name", "Node1.corp.example"])
        try await daemon.waitForOutput(
            "Node node1.corp.example: there is no Node of this name; the nearest names are node1, ")
        #expect(try await Self.health(node) == ["503", "200"], "\(daemon.output)")
        #expect(try await Self.metric(node) == 1)
        let status = try await Self.status(node)
        #expect(status.contains("warning  Node node1.corp.example: there is no Node of this name"), "\(status)")
        #expect(status.contains("  trouble (missing-node, for "), "\(status)")
        // Once, whatever else changes.
        try bench.change(to: [.ready("local-1"), .ready("remote-1")])
        #expect(try await bench.serves(["local-1", "remote-1"]), "\(daemon.output)")
        let lines = daemon.output.split(separator: "\n").filter { $0.contains("there is no Node of this name") }
        #expect(lines.count == 1 && lines[0].contains(" warning: "), "\(daemon.output)")
        // One look at all Nodes, for their names.
        #expect(bench.server.requests.filter { $0.kind == .node && $0.query["fieldSelector"] == nil }.count == 1)
        for command in ["render", "diff"] {
            let once = try await bench.once(command, ["--node-name", "node1.corp.example"])
            #expect(once.standardError.contains("the nearest names are node1, "), "\(command): \(once.standardError)")
        }
    }

    @Test("a Node that is deleted while the daemon runs fails /healthz until it is back")
    func deleted() async throws {
        let bench = try await APIBench([.ready("local-1")])
        let node = bench.cluster.node1.namespace
        let daemon = try await bench.start()
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
        #expect(try await Self.health(node) == ["200", "200"], "\(daemon.output)")
        #expect(try await Self.metric(node) == 0)
        for round in 1...2 {
            bench.server.cluster.delete(Self.node)
            let isTold = await eventually {
                daemon.output.ranges(of: "Node node1: there is no Node of this name; the nearest name").count == round
            }
            #expect(isTold, "\(daemon.output)")
            #expect(try await Self.health(node) == ["503", "200"], "\(daemon.output)")
            try bench.apply(Manifest.cluster)
            #expect(try await eventually { try await Self.health(node) == ["200", "200"] }, "\(daemon.output)")
            #expect(try await Self.metric(node) == 0)
            #expect(!(try await Self.status(node)).contains("there is no Node"))
        }
        #expect(daemon.output.ranges(of: "there is a Node of this name again").count == 2, "\(daemon.output)")
    }

    @Test("while the list of Nodes has not arrived the node is not known yet, which is not missing")
    func notYet() async throws {
        let bench = try await APIBench([.ready("local-1")])
        bench.server.add(.lists(.node, .delay(milliseconds: 3000)))
        let daemon = try await bench.start()
        let node = bench.cluster.node1.namespace
        let isStarting = try await eventually { try await Self.status(node).contains("  trouble (starting, for ") }
        #expect(isStarting, "\(daemon.output)")
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
        #expect(!daemon.output.contains("no Node"), "\(daemon.output)")
    }

    @Test("from files: Nodes of other names only are a missing node, no Node at all is not")
    func files() async throws {
        let bench = try await DaemonBench(
            Scenario(name: "files", endpoints: [.ready("local-1")], expectations: []), nodes: Manifest.others)
        let node = bench.cluster.node1.namespace
        try await bench.daemon.waitForOutput("Node node1: there is no Node of this name; the nearest name is node2")
        #expect(try await Self.health(node) == ["503", "200"], "\(bench.daemon.output)")
        #expect(try await Self.metric(node) == 1)
        bench.directory.remove("cluster.yaml")
        #expect(try await eventually { try await Self.health(node) == ["200", "200"] }, "\(bench.daemon.output)")
        #expect(try await Self.metric(node) == 0)
    }

    @Test(
        "a name that cannot be a Node's is wrong usage",
        arguments: ["$(NODE_NAME)", "${HOSTNAME}", "node_1", ".node", "a b", "node1."])
    func impossible(_ name: String) async throws {
        let namespace = try NetworkNamespace("name")
        for command in ["run", "render", "diff", "apply"] {
            let result = try await FairleadCommand().run(
                [command, "--manifests", "/dev/null", "--node-name", name], in: namespace)
            #expect(result.status == 64, "\(result)")
            #expect(result.standardError.contains("\"\(name)\" cannot be the name of a Node"), "\(result)")
            #expect(result.standardError.contains("looks like a variable") == name.contains("$"), "\(result)")
        }
    }

    @Test(
        "status says why the node is not in line while the API server answers 401 or 403 to every list",
        arguments: [401, 403])
    func refused(_ code: Int) async throws {
        let bench = try await APIBench([.ready("local-1")])
        let kinds: [ObjectID.Kind] = [.service, .endpointSlice, .node]
        for kind in kinds {
            // Waits double from 0.8 s, up to twice that by chance: five take 50 s at the most.
            bench.server.add(.lists(kind, .status(code, reason: "Refused", message: "not you"), times: 5))
        }
        let daemon = try await bench.start()
        let node = bench.cluster.node1.namespace
        let isTold = try await eventually(within: .seconds(30)) {
            let status = try await Self.status(node)
            return ["services", "endpointslices", "nodes"].allSatisfy {
                status.contains("): \($0) cannot be followed: GET https://") && status.contains(": \(code)")
            }
        }
        #expect(isTold, "\(daemon.output)")
        #expect(try await Self.status(node).contains("starting: the rules are not in line yet; UNHEALTHY"))
        // Over as soon as it is over.
        #expect(try await bench.serves(["local-1"], within: .seconds(90)), "\(daemon.output)")
        #expect(try await eventually { try await !Self.status(node).contains("trouble") }, "\(daemon.output)")
    }

    @Test("a file that cannot be read is a trouble until it can, and both are in the log")
    func file() async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        let node = bench.cluster.node1.namespace
        try await bench.daemon.waitForOutput("serving")
        try bench.directory.write("a: [", to: "broken.yaml")
        #expect(try await eventually { try await Self.status(node).contains("  trouble (manifest, for ") })
        try bench.directory.write("# none\n", to: "broken.yaml")
        #expect(try await eventually { try await !Self.status(node).contains("trouble") })
        try await bench.daemon.waitForOutput("broken.yaml is in force again")
    }

    @Test("'cannot listen; trying again' has a counterpart in the log when it does listen, as has a failing commit")
    func listening() async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        let node = bench.cluster.node1.namespace
        try await bench.daemon.waitForOutput("serving")
        let arguments = ["run"] + FairleadCommand.clusterArguments(manifests: bench.directory.path)
        let second = try await FairleadCommand().start(arguments, in: node)
        for address in ["0.0.0.0:10256", "127.0.0.1:10249"] {
            try await second.waitForOutput("cannot listen on \(address): Address already in use; trying again")
        }
        let own = try await bench.owns
        bench.daemon.signal(SIGTERM)
        for address in ["0.0.0.0:10256", "127.0.0.1:10249"] {
            try await second.waitForOutput("notice: listening on \(address) now")
        }
        if own { try await second.waitForOutput("the kernel is in line again") }
        #expect(try await !Self.status(node).contains("trouble"), "\(second.output)")
    }
}

extension DaemonBench {
    /// Whether the kernel lets the daemon own its tables.
    fileprivate var owns: Bool {
        get async throws {
            let metrics = try await cluster.node1.namespace.execute(
                Program("curl", ["-s", "http://127.0.0.1:10249/metrics"]))
            return metrics.standardOutput.contains(#"fairlead_table_protected{ip_family="IPv4"} 1"#)
        }
    }
}
