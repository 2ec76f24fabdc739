import FairleadTestKit
import NetworkTypes

/// The cluster, HAProxy and a load that never stops, and what can be done to them.
actor BalanceBench {
    private let cluster: LabCluster
    private let document: Document
    nonisolated let paper: Paper
    private var service: LabService
    private var haproxy: HAProxy
    private var load: Load
    private var shown = LoadReport()

    private static let front = HostPort(LabTopology.balancerIPv4, 80)

    init(_ document: Document, _ paper: Paper) async throws {
        self.document = document
        self.paper = paper
        service = LabService(policy: "Local", ready: ["node1-a", "node2-a"])
        cluster = try await LabCluster(service)
        haproxy = try await HAProxy(document.block("haproxy-local.cfg"), in: cluster.lab.balancer.namespace)
        try await Self.settle(haproxy, cluster, service)
        load = Load(to: Self.front, from: cluster.lab.client)
        _ = await load.goesOn(for: 100)
    }

    nonisolated func greet() {
        paper.line(
            """
            A client, a router, a load balancer with HAProxy, three nodes that run fairlead, and six pods (node1-a, node1-b,
            node2-a, …), each in a network namespace of its own. The client keeps asking http://\(Self.front) of default/web.

              show                 who is asked, who answers, requests sent and failed
              move OLD NEW         a rollout: NEW gets ready, OLD terminates, is left by HAProxy, and goes (move node1-a node3-a)
              kill POD             a pod ends without grace: some requests are lost
              policy Local|Cluster changes the Service, and how HAProxy checks nodes
              HOST COMMAND …       runs a command at client, balancer, router, a node or a pod:
                                     node1 nft list table ip fairlead
                                     client curl -s telnet://192.0.2.80:80 -m 1
                                     balancer curl -si http://172.30.0.11:30500/
              haproxy COMMAND …    asks HAProxy's runtime API: haproxy show servers state
              pool                 what `fairlead lb-pool` says of the Service
              quit

            """)
    }

    /// Carries out a line.
    func obey(_ words: [String]) async throws {
        guard let verb = words.first else { return }
        switch (verb, words.count) {
        case ("show", 1): try await show()
        case ("move", 3): try await move(words[1], to: words[2])
        case ("kill", 2):
            service.endpoints[words[1]] = nil
            await cluster.lab.end(words[1])
            try cluster.change(to: service)
            try await settle()
            try await show()
        case ("policy", 2) where ["Local", "Cluster"].contains(words[1]): try await change(to: words[1])
        case ("haproxy", 2...): paper.line(try haproxy.ask(words.dropFirst().joined(separator: " ")))
        case ("pool", 1):
            let arguments = ["lb-pool", "default/web", "--family", "IPv4", "--manifests", cluster.directory.path]
            let result = try await FairleadCommand().run(arguments, in: cluster.lab.balancer.namespace)
            paper.line(result.standardOutput + result.standardError)
        case (_, 2...) where cluster.lab.hosts.contains(where: { $0.name == verb }):
            let text = words.dropFirst().joined(separator: " ")
            let program = Program("sh", ["-c", text], timeLimit: .seconds(30))
            let result = try await cluster.lab.host(verb).namespace.execute(program)
            paper.line(result.standardOutput + result.standardError)
        default: greet()
        }
    }

    private func move(_ old: String, to new: String) async throws {
        guard service.endpoints[old] != nil, service.endpoints[new] == nil else {
            throw TestKitError.conversation("\(old) has to be an endpoint, and \(new) none; see show")
        }
        _ = try cluster.lab.host(new)
        paper.line("\(new) becomes ready, \(old) terminates and still serves")
        var moving = service
        service.endpoints[new] = .ready
        service.endpoints[old] = .terminating
        try await cluster.move(&moving, from: old, to: new) {
            try await self.settle()
            _ = await self.load.goesOn(for: 100)
            self.paper.line("HAProxy knows; now \(old) ends")
        }
        service = moving
        _ = await load.goesOn(for: 200)
        try await show()
    }

    private func change(to policy: String) async throws {
        service.policy = policy
        _ = try await load.stop()
        try cluster.change(to: service)
        try await haproxy.stop()
        haproxy = try await HAProxy(
            document.block("haproxy-\(policy == "Local" ? "local" : "cluster").cfg"),
            in: cluster.lab.balancer.namespace)
        try await settle()
        load = Load(to: Self.front, from: cluster.lab.client)
        shown = LoadReport()
        _ = await load.goesOn(for: 100)
        try await show()
    }

    /// Waits until HAProxy knows which nodes have endpoints.
    private func settle() async throws { try await Self.settle(haproxy, cluster, service) }

    private static func settle(_ haproxy: HAProxy, _ cluster: LabCluster, _ service: LabService) async throws {
        var expected: [String: String] = [:]
        for node in cluster.lab.nodes {
            let isReady = service.endpoints.contains { $0.key.hasPrefix(node.name) && $0.value == .ready }
            expected[node.name] = service.policy == "Cluster" || isReady ? "UP" : "DOWN"
        }
        try await haproxy.waits(for: expected)
    }

    private func show() async throws {
        let report = load.report
        let states = try haproxy.servers("web", "status").sorted { $0.key < $1.key }
        let recent = report.servers(since: shown).sorted { $0.key < $1.key }
        shown = report
        paper.line(
            "policy \(service.policy); HAProxy: " + states.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        paper.line("answers since the last look: " + recent.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        let sources = report.sources.map(\.description).sorted().joined(separator: ", ")
        paper.line("pods saw \(sources); \(report.sent) requests sent, \(report.failed) failed")
        paper.line("")
    }

    /// Ends the load.
    func end() async throws {
        let report = try await load.stop()
        paper.line("\(report)")
    }

    /// Rolls every endpoint to other nodes under both policies.
    func tour() async throws {
        var failed = 0
        for policy in ["Local", "Cluster"] {
            paper.title("externalTrafficPolicy \(policy)")
            if policy == "Cluster" {
                failed += try await load.stop().failed
                try await change(to: policy)
            } else {
                try await show()
            }
            for (old, new) in [("node1-a", "node3-a"), ("node2-a", "node1-b"), ("node3-a", "node2-a")] {
                guard service.endpoints[old] != nil else { continue }
                try await move(old, to: new)
            }
            // Back to where the next policy begins.
            if policy == "Local" { try await move("node1-b", to: "node1-a") }
        }
        let report = try await load.stop()
        failed += report.failed
        paper.line("Cluster: \(report)")
        if failed > 0 { throw TestKitError.conversation("\(failed) requests were lost") }
        paper.line("No request was lost under either policy.")
    }
}
