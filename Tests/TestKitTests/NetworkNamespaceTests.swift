import FairleadTestKit
import NetworkTypes
import Testing

@Suite("SCTP packets and addresses need no privilege")
struct PlainTests {
    @Test("a host with a port round-trips", arguments: ["10.0.0.1:80", "[fd00::1]:443"])
    func hostPort(_ text: String) {
        #expect(HostPort(text)?.description == text)
    }

    @Test(
        "text that is no host with a port is refused",
        arguments: ["10.0.0.1", "10.0.0.1:", "host:80", "[fd00::1]:65536"])
    func notHostPort(_ text: String) {
        #expect(HostPort(text) == nil)
    }
}

@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct NetworkNamespaceTests {
    @Test("a required privilege is there")
    func capability() { #expect(Capability.canMakeNetworks) }

    @Test("programs run inside the namespace")
    func program() async throws {
        let namespace = try NetworkNamespace()
        try await NFT(namespace).load("table ip mine { }")
        #expect(try await NFT(namespace).listTables() == ["table ip mine"])
        #expect(try await NFT(NetworkNamespace()).listTables() == [])
    }

    @Test("a program gets its input, and its output and status are kept")
    func programOutput() async throws {
        let script = "cat; echo error >&2; exit 3"
        let input = String(repeating: "a line of text\n", count: 20000)
        let result = try await NetworkNamespace().execute(Program("sh", ["-c", script], input: input))
        #expect(result.standardOutput == input)
        #expect(result.standardError == "error\n")
        #expect(result.status == 3)
    }

    @Test("a program that does not end is killed, with its children")
    func timeLimit() async throws {
        let namespace = try NetworkNamespace()
        let program = Program("sh", ["-c", "sleep 300 & sleep 300"], timeLimit: .milliseconds(200))
        let start = ContinuousClock.now
        do {
            _ = try await namespace.execute(program)
            Issue.record("the program came to its end")
        } catch TestKitError.timeLimit {
            #expect(ContinuousClock.now - start < .seconds(150))
        }
    }

    @Test("a missing program is an error")
    func missing() async throws {
        let namespace = try NetworkNamespace()
        await #expect(throws: TestKitError.self) { try await namespace.execute(Program("/nonexistent")) }
        await #expect(throws: TestKitError.self) { try await namespace.execute(Program("no-such-program-here")) }
    }
}
