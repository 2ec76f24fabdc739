import FairleadTestKit
import NetworkTypes
import Testing

/// `fairlead status` and what it asks, with a real daemon and real packets.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct StatusTests {
    private static func status(_ bench: DaemonBench, _ arguments: String...) async throws -> ProgramResult {
        try await FairleadCommand().run(["status"] + arguments, in: bench.cluster.node1.namespace)
    }

    private static func curl(_ bench: DaemonBench, _ arguments: String...) async throws -> String {
        let program = Program("curl", ["-s", "--max-time", "5", "--noproxy", "*"] + arguments)
        return try await bench.cluster.node1.namespace.execute(program).standardOutput
    }

    /// The packets and the rate that the status has for a frontend with that verdict.
    private static func refused(
        _ json: String, _ frontend: String, _ verdict: String
    ) throws -> (packets: Int, rate: Double)? {
        for item in json.split(separator: "{") where item.contains("\"frontend\":\"\(frontend)\"") {
            guard item.contains("\"verdict\":\"\(verdict)\""),
                let packets = item.firstMatch(of: /"packets":(\d+)/).flatMap({ Int($0.output.1) }),
                let rate = item.firstMatch(of: /"rate":([0-9.]+)/).flatMap({ Double($0.output.1) })
            else { continue }
            return (packets, rate)
        }
        return nil
    }

    @Test("connections to a Service without endpoints show as rejected, with a rate", arguments: IPFamily.allCases)
    func rejected(_ family: IPFamily) async throws {
        let bench = try await DaemonBench([], options: ["--service-counters"])
        try await bench.waitUntilInLine()
        let frontend = "\(Target.clusterIP.destination(DaemonBench.numbers, family))/tcp"
        // Counted between the two looks of one `fairlead status`, which are a second apart.
        let isTold = try await eventually(within: .seconds(60)) {
            async let answer = Self.status(bench, "--output", "json")
            for _ in 0..<8 {
                _ = try await bench.tally(.tcp, family, count: 5)
                try await Task.sleep(for: .milliseconds(150))
            }
            let json = try await answer.requireSuccess().standardOutput
            let found = try Self.refused(json, frontend, "rejected")
            return (found?.packets ?? 0) >= 5 && (found?.rate ?? 0) > 0.5
        }
        #expect(isTold, "\(bench.daemon.output)")
        let text = try await Self.status(bench).requireSuccess().standardOutput
        #expect(text.contains("node1: fairlead ") && text.contains("\n  synchronized; "), "\(text)")
        let line = text.split(separator: "\n").first { $0.contains("\(frontend) ") && $0.contains("rejected") }
        #expect(line?.contains("default/\(DaemonBench.numbers.name)") == true, "\(text)")
        try bench.change(to: [.ready("local-1")])
        try await bench.waitUntilInLine()
        let tally = try await bench.tally(.tcp, family, count: 7)
        #expect(tally.answers.count == 7)
        let isServed = try await eventually(within: .seconds(30)) {
            let text = try await Self.status(bench).requireSuccess().standardOutput
            let busy = text.split(separator: "\n").first {
                $0.hasPrefix("  default/\(DaemonBench.numbers.name) ") && $0.hasSuffix("/s")
            }
            return text.contains("No Service rejects or drops connections.")
                && busy?.split(separator: " ").dropFirst().first == "7"
        }
        let last = try await Self.status(bench).standardOutput
        #expect(isServed, "\(last)")
        // The commit of the change is told, with the one Service that it computed.
        let commits = last.split(separator: "\n").filter { $0.contains(" ms ") }
        #expect(commits.first { $0.contains(" change ") }?.contains(" 1 Service ") == true, "\(commits)")
        #expect(commits.last?.contains(" start ") == true, "\(commits)")
    }

    @Test("a Local policy without a local endpoint shows as dropped, for clients outside only")
    func dropped() async throws {
        let scenario = Scenario(
            name: "dropped", externalPolicy: "Local", endpoints: [.ready("remote-1")], expectations: [])
        let bench = try await DaemonBench(scenario)
        try await bench.waitUntilInLine()
        let target = Target.loadBalancerIP.destination(DaemonBench.numbers, .ipv4)
        let probe = Probe(.tcp, to: target, timeLimit: .milliseconds(300))
        _ = try await bench.cluster.client.namespace.tally(probe, count: 3)
        let isTold = try await eventually(within: .seconds(30)) {
            let json = try await Self.status(bench, "--output", "json").requireSuccess().standardOutput
            return (try Self.refused(json, "\(target)/tcp", "dropped")?.packets ?? 0) >= 3
        }
        #expect(isTold)
        let text = try await Self.status(bench).standardOutput
        #expect(text.contains("dropped (from outside)"), "\(text)")
        #expect(text.contains("New connections are not counted: the daemon runs without --service-counters."))
    }

    @Test("without a daemon there is one line that says what to do; --watch goes on")
    func nobody() async throws {
        let namespace = try NetworkNamespace("status")
        let fairlead = try FairleadCommand()
        let result = try await fairlead.run(["status"], in: namespace)
        #expect(result.status == 2 && result.standardOutput.isEmpty, "\(result)")
        #expect(
            result.standardError.hasPrefix("error: no daemon answers at http://127.0.0.1:10249: Connection refused."))
        #expect(result.standardError.contains("'fairlead run'") && result.standardError.hasSuffix("?\n"))
        let watch = Program("timeout", ["4", fairlead.path, "status", "--watch", "--interval", "1"])
        let watched = try await namespace.execute(watch)
        #expect(watched.status == 124, "\(watched)")
        #expect(watched.standardError.split(separator: "\n").count >= 2, "\(watched)")
        #expect(try await fairlead.run(["status", "--server", "ftp://x"], in: namespace).status == 64)
    }

    @Test("--watch adds a line each time where there is no terminal")
    func watch() async throws {
        let bench = try await DaemonBench([.ready("local-1")])
        try await bench.waitUntilInLine()
        let program = Program("timeout", ["5", try FairleadCommand().path, "status", "--watch", "--interval", "1"])
        let result = try await bench.cluster.node1.namespace.execute(program)
        let lines = result.standardOutput.split(separator: "\n")
        #expect(lines.count >= 2, "\(result)")
        #expect(lines.allSatisfy { $0.contains(" node1 synchronized services=1 ") }, "\(lines)")
        #expect(!result.standardOutput.contains("\u{1B}"))
    }

    @Test("--status-page=false leaves metrics and nothing else")
    func turnedOff() async throws {
        let bench = try await DaemonBench([.ready("local-1")], options: ["--status-page=false"])
        try await bench.daemon.waitForOutput("serving")
        for path in ["", "status", "api/v1/status", "api/v1/services", "api/v1/explain?from=pod&to=node:1"] {
            let code = try await Self.curl(
                bench, "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:10249/\(path)")
            #expect(code == "404", "/\(path)")
        }
        #expect(try await Self.curl(bench, "http://127.0.0.1:10249/metrics").contains("fairlead_build_info"))
        let result = try await Self.status(bench)
        #expect(result.status == 2 && result.standardError.contains("--status-page=false"), "\(result)")
    }

    @Test("the page and its data answer GET and HEAD, by address and known names; metrics answer anybody")
    func requests() async throws {
        let bench = try await DaemonBench(
            [.ready("local-1")], options: ["--metrics-bind-address", "0.0.0.0:10249"])
        try await bench.daemon.waitForOutput("serving")
        #expect(bench.daemon.output.contains("--status-page=false turns it off"), "\(bench.daemon.output)")
        let base = "http://127.0.0.1:10249"
        func code(_ arguments: String...) async throws -> String {
            let program = Program(
                "curl",
                ["-s", "--max-time", "5", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}"] + arguments)
            return try await bench.cluster.node1.namespace.execute(program).standardOutput
        }
        for path in ["/", "/status", "/api/v1/status", "/api/v1/services", "/api/v1/explain?from=pod&to=node:1"] {
            #expect(try await code(base + path) == "200", "\(path)")
            #expect(try await code("-I", base + path) == "200", "\(path)")
            #expect(try await code("-X", "POST", base + path) == "405", "\(path)")
            #expect(try await code("-H", "Host: evil.example", base + path) == "403", "\(path)")
            #expect(try await code("-H", "Host: node1:10249", base + path) == "200", "\(path)")
        }
        #expect(try await code("-H", "Host: evil.example", base + "/metrics") == "200")
        let faults = [
            ("/api/v1/explain?from=pod", "400"), ("/api/v1/explain?from=x&to=node:1", "400"),
            ("/api/v1/services?limit=0", "400"), ("/api/v1/services?offset=-1", "400"),
            ("/api/v1/services?only=x", "400"), ("/api/v1/services/a/b", "404"), ("/api/v1/services/a/b/c", "404"),
            ("/api/v1/", "404"), ("/api/v2/status", "404"),
        ]
        for (path, expected) in faults { #expect(try await code(base + path) == expected, "\(path)") }
        let client = try await bench.cluster.client.namespace.execute(
            Program(
                "curl", ["-s", "--max-time", "5", "http://\(bench.cluster.node1.address(.ipv4)):10249/api/v1/status"]))
        #expect(client.standardOutput.contains("\"node\":\"node1\""), "\(client)")
    }
}
