import KubernetesModel
import NetworkTypes
import Synchronization
import Testing

@testable import LoadBalancing

/// One look at a HAProxy that is simulated, with answers as versions and troubles have them.
struct HAProxyPassTests {
    /// The servers of one backend, and how commands to them are answered.
    private final class Simulated: Sendable {
        let servers = Mutex<[String: HAProxyServer]>([:])
        let answer: @Sendable (String) -> (text: String, isDone: Bool)

        init(_ names: [String], _ answer: @escaping @Sendable (String) -> (text: String, isDone: Bool)) {
            self.answer = answer
            servers.withLock { servers in
                for name in names {
                    servers[name] = HAProxyServer(
                        name: name, address: IPAddress("10.0.0.1"), port: 1, weight: 9)
                }
            }
        }

        func ask(_ command: String) -> String {
            if command.hasPrefix("show") { return state }
            var texts = ""
            for part in command.split(separator: ";") {
                let words = part.split(separator: " ").map(String.init)
                let (text, isDone) = answer(words.joined(separator: " "))
                if isDone { carryOut(words) }
                texts += text
            }
            return texts
        }

        private var state: String {
            let title = "1\n# be_name srv_name srv_addr srv_port srv_uweight srv_admin_state\n"
            return servers.withLock { servers in
                servers.values.sorted { $0.name < $1.name }.reduce(title) { text, server in
                    let address = server.address.map { "\($0)" } ?? "-"
                    return text
                        + "web \(server.name) \(address) \(server.port) \(server.weight) \(server.decisions.rawValue)\n"
                }
            }
        }

        private func carryOut(_ words: [String]) {
            servers.withLock { servers in
                let name = String(words[2].dropFirst(4))
                if words[0] == "add" {
                    let place = words[3].split(separator: ":").map(String.init)
                    servers[name] = HAProxyServer(
                        name: name, address: IPAddress(place[0]), port: UInt16(place[1]) ?? 0,
                        weight: Int(words[5]) ?? 0, decisions: .maintenance)
                    return
                }
                guard words[0] == "set" else { return }
                switch words[3] {
                case "addr":
                    servers[name]?.address = IPAddress(words[4])
                    servers[name]?.port = UInt16(words[6]) ?? 0
                case "weight": servers[name]?.weight = Int(words[4]) ?? 0
                default: servers[name]?.decisions = words[4] == "drain" ? .drain : []
                }
            }
        }
    }

    private static func run(_ haproxy: Simulated) async throws -> HAProxyPass {
        let pool = try #require(try Sample(.local, ready: ["node1": 3, "node2": 1]).pools().first)
        var pass = HAProxyPass(pool, backend: "web", options: "check") { haproxy.ask($0) }
        try await pass.run { _ in }
        return pass
    }

    @Test(
        "an answer in words that are not known is no error if HAProxy has what it was told",
        arguments: ["", "\n", "nothing changed\n\n", "no need to change the addr\n", "Bien sûr.\n"])
    func words(_ text: String) async throws {
        let haproxy = Simulated(["node1", "node3"]) { _ in (text, true) }
        let pass = try await Self.run(haproxy)
        #expect(pass.refusals.isEmpty && pass.unsettled.isEmpty)
        #expect(
            pass.taken == [
                "set server web/node1 addr 172.30.0.11 port 30080", "set server web/node1 weight 3",
                "add server web/node2 172.30.0.12:30080 weight 1 check", "enable health web/node2",
                "set server web/node2 state ready", "set server web/node3 state drain",
                "set server web/node3 addr 172.30.0.13 port 30080",
            ])
        #expect(try await Self.run(haproxy).taken.isEmpty)
    }

    @Test("a refusal is one server's, which then is told no more; the rest of the pass goes on")
    func refusal() async throws {
        let haproxy = Simulated(["node1", "node3"]) { command in
            command.contains("node1 addr") || command.contains("add server") ? ("No.\n", false) : ("\n", true)
        }
        let pass = try await Self.run(haproxy)
        #expect(pass.refusals.keys.sorted() == ["node1", "node2"])
        #expect(pass.refusals["node1"]?.answer == "No.\n")
        #expect(pass.taken.allSatisfy { $0.contains("node3") } && pass.taken.count == 2)
        #expect(haproxy.servers.withLock { $0["node1"]?.weight } == 9)
    }

    @Test("a server that somebody else added meanwhile is no error")
    func added() async throws {
        let haproxy = Simulated(["node1", "node3"]) { command in
            (command.contains("add server") ? "Already exists a server with the same name in backend.\n\n" : "", true)
        }
        let pass = try await Self.run(haproxy)
        #expect(pass.refusals.isEmpty && pass.unsettled.isEmpty)
    }

    @Test("a command that HAProxy agrees to and does not carry out is told from one that it did")
    func unsettled() async throws {
        let haproxy = Simulated(["node1", "node2", "node3"]) { ("\n", !$0.contains("node2 weight")) }
        let pass = try await Self.run(haproxy)
        #expect(pass.refusals.isEmpty)
        #expect(pass.unsettled.map(\.commands) == [["set server web/node2 weight 1"]])
    }

    @Test("a new server's commands go in one line: whoever is killed between them would leave it in maintenance")
    func oneLine() async throws {
        let lines = Mutex<[String]>([])
        let haproxy = Simulated(["node1", "node3"]) { _ in ("\n", true) }
        let pool = try #require(try Sample(.local, ready: ["node1": 3, "node2": 1]).pools().first)
        var pass = HAProxyPass(pool, backend: "web", options: "check") { command in
            lines.withLock { $0.append(command) }
            return haproxy.ask(command)
        }
        try await pass.run { _ in }
        let line =
            "add server web/node2 172.30.0.12:30080 weight 1 check; enable health web/node2; "
            + "set server web/node2 state ready"
        #expect(lines.withLock { $0.contains(line) })
    }
}
