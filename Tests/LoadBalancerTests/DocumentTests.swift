import FairleadTestKit
import NetworkTypes
import Testing

/// The commands of docs/load-balancers.md, run as they stand.
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
            (["default/web", "--haproxy-socket", "s", "--backend", "b", "--server-options", "a;b"], "one line"),
        ])
    func usage(_ arguments: [String], _ complaint: String) async throws {
        let result = try await FairleadCommand().run(
            ["lb-pool"] + arguments + ["--manifests", "/nowhere"], in: NetworkNamespace("usage"))
        #expect(result.status == 64)
        #expect(result.standardError.contains(complaint), "\(result.standardError)")
    }
}
