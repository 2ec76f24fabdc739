import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// The commands of docs/load-balancers.md and docs/lb-pool.md, run as they stand.
struct DocumentTests {
    /// Runs a block in the repository, with the program in the PATH.
    private func run(_ block: String) async throws -> ProgramResult {
        let directory = try FairleadCommand().path.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        let text = "cd '\(Lab.root)' && PATH='\(directory)':$PATH && \(try Lab.document().block(block))"
        return try await NetworkNamespace("document").execute(Program("sh", ["-c", text]))
    }

    @Test("lb-pool prints what the page says")
    func json() async throws {
        let result = try await run("lb-pool-json").requireSuccess()
        #expect(result.standardOutput == (try Lab.document().block("lb-pool-json-output")))
        #expect(result.standardError == "")
    }

    @Test("lb-pool prints the commands of HAProxy's runtime API")
    func haproxy() async throws {
        let result = try await run("lb-pool-haproxy").requireSuccess()
        #expect(
            result.standardOutput == """
                set server web/node1 addr 172.30.0.11 port 30080
                set server web/node1 weight 2
                set server web/node1 state ready
                set server web/node2 addr 172.30.0.12 port 30080
                set server web/node2 weight 1
                set server web/node2 state ready
                set server web/node3 state drain

                """)
    }

    @Test("--listen answers at once, and holds an answer back until the pool changes")
    func longPoll() async throws {
        let directory = try TemporaryDirectory()
        let sample = "\(Lab.root)/docs/samples/load-balancer"
        let namespace = try NetworkNamespace("poll")
        try await namespace.execute(
            Program("sh", ["-c", "ip link set lo up && cp \(sample)/*.yaml \(directory.path)"])
        ).requireSuccess()
        let arguments = ["lb-pool", "default/web", "--manifests", directory.path, "--family", "IPv4", "--watch"]
        let daemon = try await FairleadCommand().start(arguments + ["--listen", "127.0.0.1:8404"], in: namespace)
        try await daemon.waitForOutput("nodePort")
        @Sendable func ask(_ query: String) async throws -> String {
            let url = "http://127.0.0.1:8404/v1/pools\(query)"
            let options = ["-s", "--noproxy", "*", "--max-time", "20", "-w", "%{http_code}", url]
            return try await namespace.execute(Program("curl", options)).standardOutput
        }
        let first = try await ask("")
        #expect(first.hasSuffix("200") && first.contains("\"nodes\":[{\"node\":\"node1\""), "\(first)")
        let index = first.drop { !$0.isNumber }.prefix { $0.isNumber }
        let start = ContinuousClock.now
        #expect(try await ask("?index=\(index)&wait=1") == first)
        #expect(ContinuousClock.now - start >= .seconds(1))
        // One that is not the present one is answered at once.
        #expect(try await ask("?index=1&wait=300") == first)
        async let held = ask("?index=\(index)&wait=15")
        try await Task.sleep(for: .milliseconds(500))
        let changed = ContinuousClock.now
        let edit = "sed -i 's/node1/node3/' \(directory.path)/*.yaml"
        try await namespace.execute(Program("sh", ["-c", edit])).requireSuccess()
        let second = try await held
        #expect(second != first && second.hasSuffix("200") && ContinuousClock.now - changed < .seconds(10), "\(second)")
        #expect(try await ask("?index=x").hasSuffix("400"))
        #expect(try await ask("?wait=301").hasSuffix("400"))
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForEnd().status == 0)
    }

    @Test("HAProxy takes every configuration of the page", arguments: ["cluster", "local", "pool"])
    func configuration(_ name: String) async throws {
        let directory = try TemporaryDirectory()
        try directory.write("1\n", to: "server-state")
        let text = try Lab.document().block("haproxy-\(name).cfg").replacing("/run/haproxy", with: directory.path)
        let path = try directory.write(text, to: "haproxy.cfg")
        let result = try await NetworkNamespace("document").execute(Program("haproxy", ["-c", "-f", path]))
        #expect(result.status == 0, "\(result.standardError)")
        #expect(!result.standardError.contains("WARNING"), "\(result.standardError)")
    }

    @Test(
        "wrong usage is refused",
        arguments: [
            (["web"], "is not NAMESPACE/NAME"), (["default/web", "--output", "haproxy"], "--backend is needed"),
            (["default/web", "--output", "haproxy", "--backend", "a b"], "is no name of a backend"),
            (["default/web", "--backend", "web"], "--backend needs"),
            (["default/web", "--write-to", "x"], "--write-to needs"),
            (["default/web", "--listen", "127.0.0.1:1"], "--listen needs --watch"),
            (["default/web", "--watch", "--listen", "127.0.0.1"], "is not ADDRESS:PORT"),
            (["default/web", "--drain-taints", "node.kubernetes.io/unschedulable"], "is cordon"),
            (["default/web", "--haproxy-socket", "s", "--backend", "b", "--server-options", "a;b"], "one line"),
        ])
    func usage(_ arguments: [String], _ complaint: String) async throws {
        let result = try await FairleadCommand().run(
            ["lb-pool"] + arguments + ["--manifests", "/nowhere"], in: NetworkNamespace("usage"))
        #expect(result.status == 64)
        #expect(result.standardError.contains(complaint), "\(result.standardError)")
    }
}
