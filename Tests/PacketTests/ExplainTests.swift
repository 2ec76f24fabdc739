import FairleadTestKit
import NetworkTypes
import Testing

/// `fairlead explain` as a command, and what only a kernel can tell.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ExplainTests {
    private static let both = ["local-1", "remote-1"].map { EndpointShape.ready($0) }

    @Test("the kernel's memory of a client is part of the answer", arguments: IPFamily.allCases)
    func memory(_ family: IPFamily) async throws {
        let bench = try await Bench(.apply, [.affine()])
        let crowd = try await Crowd.join(bench, size: 6)
        let target = Target.loadBalancerIP.destination(Numbers(index: 1), family)
        let arguments = bench.arguments + ["--live"]
        let namespace = bench.cluster.node1.namespace
        let stranger = "\(family == .ipv4 ? "198.51.100.99" : "2001:db8:100::99") \(target)"
        let before = try await Prediction.ask([stranger], arguments, in: namespace)
        #expect(before[0].endpoints.count == 5 && before[0].kernelAgrees == true)
        let homes = try await crowd.ask(.loadBalancerIP, .tcp, family)
        let clients = homes.keys.sorted()
        let predictions = try await Prediction.ask(clients.map { "\($0) \(target)" }, arguments, in: namespace)
        for (client, prediction) in zip(clients, predictions) {
            let home = try bench.cluster.host(homes[client] ?? "").address(family)
            #expect(prediction.endpoints.map(\.address) == ["\(home)"], "\(client)")
            #expect(prediction.kernelAgrees == true)
        }
    }

    @Test("--live says what the kernel does now, and that it is not what is wanted")
    func drift() async throws {
        let bench = try await Bench(.apply, [Scenario(name: "web", endpoints: Self.both, expectations: [])])
        let question = [
            "--from", "external", "--to", "\(Target.clusterIP.destination(Numbers(index: 1), .ipv4))", "--live",
        ]
        func ask() async throws -> ProgramResult {
            try await FairleadCommand().run(["explain"] + bench.arguments + question, in: bench.cluster.node1.namespace)
        }
        let sound = try await ask()
        #expect(sound.status == 0 && sound.standardOutput.contains("does what is wanted"), "\(sound)")
        try await NFT(bench.cluster.node1.namespace).load("flush map ip fairlead endpoints\n")
        let broken = try await ask()
        #expect(broken.status == 1 && broken.standardOutput.contains("differs from what is wanted"), "\(broken)")
        try await NFT(bench.cluster.node1.namespace).load("add rule ip fairlead services drop\n")
        let strange = try await ask()
        #expect(strange.standardOutput.contains("not as expected on the packet's way: chain services"), "\(strange)")
        try await FairleadCommand().run(["cleanup"], in: bench.cluster.node1.namespace).requireSuccess()
        let none = try await ask()
        #expect(none.status == 1 && none.standardOutput.contains("no Service, the rules leave it alone"), "\(none)")
    }

    @Test("exit codes, forms, and another node's view")
    func command() async throws {
        let local = Scenario(name: "web", externalPolicy: "Local", endpoints: [.ready("remote-1")], expectations: [])
        let directory = try TemporaryDirectory()
        let file = try directory.write(Scenario.manifests([local]), to: "cluster.yaml")
        let namespace = try NetworkNamespace()
        let target = "\(Target.loadBalancerIP.destination(Numbers(index: 1), .ipv4))"
        func ask(_ words: String...) async throws -> ProgramResult {
            let source = ["explain", "--manifests", file, "--cluster-cidr", "10.128.0.0/16"]
            return try await FairleadCommand().run(source + words, in: namespace)
        }
        let here = try await ask("--node", "node1", "--from", "external", "--to", target)
        #expect(
            here.status == 1 && here.standardOutput.hasPrefix("198.51.100.1 -> \(target)/tcp on node1: dropped"),
            "\(here)")
        let there = try await ask("--node", "node2", "--from", "external", "--to", target)
        #expect(there.status == 0 && there.standardOutput.contains("on node2: reaches 10.128.2.11:8080"), "\(there)")
        let picture = try await ask("--node", "node2", "--from", "external", "--to", target, "--output", "mermaid")
        #expect(
            picture.standardOutput.hasPrefix("flowchart LR\n") && picture.standardOutput.contains("10.128.2.11:8080"))
        let unknown = try await ask("--node", "node9", "--from", "external", "--to", target)
        #expect(unknown.status == 2 && unknown.standardError.contains("node1, node2"), "\(unknown)")
        #expect(try await ask("--from", "external", "--to", target).status == 2)
        #expect(try await ask("--node", "node1", "--from", "external", "--to", "default/none").status == 2)
        #expect(try await ask("--node", "node1", "--from", "external", "--to", "there").status == 64)
        #expect(try await ask("--node", "node1", "--live", "--from", "external", "--to", target).status == 64)
        #expect(try await ask("--node", "node1", "--from", "external").status == 64)
    }

    @Test("another node's view needs no name of this host, whose own may be one that no Node can have")
    func strangeHost() throws {
        let scenario = Scenario(name: "web", endpoints: [.ready("remote-1")], expectations: [])
        let directory = try TemporaryDirectory()
        let file = try directory.write(Scenario.manifests([scenario]), to: "cluster.yaml")
        let namespace = try NetworkNamespace()
        let target = "\(Target.clusterIP.destination(Numbers(index: 1), .ipv4))"
        func ask(_ words: String...) throws -> ProgramResult {
            let question = ["--manifests", file, "--cluster-cidr", "10.128.0.0/16", "--from", "node", "--to", target]
            let script = "echo my_host >/proc/sys/kernel/hostname && exec \"$@\""
            let command = ["-u", "sh", "-c", script, "sh", try FairleadCommand().path, "explain"] + question + words
            return try namespace.run(Program("unshare", command))
        }
        let named = try ask("--node", "node1")
        #expect(named.status == 0 && named.standardOutput.contains("on node1: reaches"), "\(named)")
        let unnamed = try ask()
        #expect(unnamed.status == 64 && unnamed.standardError.contains("cannot be a Node's"), "\(unnamed)")
        #expect(try ask("--node", "node1", "--node-name", "my_host").status == 64)
    }
}
