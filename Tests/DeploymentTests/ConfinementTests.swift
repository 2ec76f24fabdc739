import FairleadTestKit
import Foundation
import Glibc
import NetworkTypes
import Testing

/// The daemon as the unit and the DaemonSet run it: with one capability, and telling the service manager how it is.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ConfinementTests {
    private static let samples = Repository.path("docs/samples")

    private static func arguments(_ more: [String] = []) -> [String] {
        ["run", "--healthz-bind-address", "", "--metrics-bind-address", ""]
            + FairleadCommand.clusterArguments(manifests: samples) + more
    }

    @Test("the capability NET_ADMIN alone is enough to keep the rules", arguments: [true, false])
    func capability(has: Bool) async throws {
        let namespace = try NetworkNamespace("node")
        let kept = has ? "-all,+net_admin" : "-all"
        let program = try Program(
            "setpriv",
            ["--bounding-set", kept, "--inh-caps", kept, "--no-new-privs", FairleadCommand().path] + Self.arguments(),
            timeLimit: .seconds(60))
        let daemon = try await Daemon(program, in: namespace)
        if has {
            try await daemon.waitForOutput("serving", timeLimit: .seconds(30))
            #expect(!daemon.output.contains("error:"), "\(daemon.output)")
            let tables = try await namespace.execute(Program("nft", ["list", "tables"])).requireSuccess()
            #expect(tables.standardOutput.contains("table ip6 fairlead"))
        } else {
            // Says what is missing and neither serves nor pretends to.
            try await daemon.waitForOutput("Operation not permitted", timeLimit: .seconds(30))
            #expect(!daemon.output.contains("serving"))
        }
    }

    @Test("started with every capability, the daemon gives up what it does not use, in all threads")
    func privileges() async throws {
        let namespace = try NetworkNamespace("node")
        let directory = try TemporaryDirectory()
        for (name, address) in [("web", "10.96.0.11"), ("mail", "10.96.0.12")] {
            try directory.write(
                """
                {apiVersion: v1, kind: Service, metadata: {name: \(name)},
                 spec: {clusterIP: \(address), ports: [{port: 80}]}}
                """, to: "\(name).yaml")
        }
        // What belongs to somebody else is read all the same. (Not every root may give a file away.)
        chown("\(directory.path)/mail.yaml", 65534, 65534)
        chmod("\(directory.path)/mail.yaml", 0o600)
        let arguments = ["run", "--healthz-bind-address", "", "--metrics-bind-address", "127.0.0.1:900"]
        let daemon = try await Daemon(
            FairleadCommand().program(
                arguments + FairleadCommand.clusterArguments(manifests: directory.path), timeLimit: .seconds(60)),
            in: namespace)
        try await daemon.waitForOutput("serving", timeLimit: .seconds(30))
        #expect(!daemon.output.contains("error:") && !daemon.output.contains("could not"), "\(daemon.output)")
        let tables = try await namespace.execute(Program("nft", ["list", "table", "ip", "fairlead"])).requireSuccess()
        #expect(tables.standardOutput.contains("10.96.0.11") && tables.standardOutput.contains("10.96.0.12"))
        let scrape = Program("curl", ["-sf", "http://127.0.0.1:900/metrics"])
        _ = try await namespace.execute(scrape).requireSuccess()

        let threads = daemon.threadStatus()
        #expect(threads.count > 1)
        // CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_DAC_READ_SEARCH, as far as this test has them to give: root of a container may lack some.
        let own = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let kept = try #require(Self.mask("CapPrm", own)) & UInt64(1 << 12 | 1 << 10 | 1 << 2)
        for thread in threads {
            #expect(Self.mask("CapPrm", thread) == kept)
            #expect(Self.mask("CapEff", thread) == kept)
            #expect(Self.mask("CapBnd", thread) == kept)
            #expect(Self.mask("CapInh", thread) == 0)
            #expect(Self.mask("CapAmb", thread) == 0)
            #expect(thread.contains("NoNewPrivs:\t1\n"))
        }
        // That it may rate itself outlives the right to.
        let rating = Program("sh", ["-c", "echo -999 >/proc/self/oom_score_adj"])
        if try await namespace.execute(rating).status == 0 { #expect(daemon.processFile("oom_score_adj") == "-999") }
    }

    private static func mask(_ field: String, _ status: String) -> UInt64? {
        status.split(separator: "\n").first { $0.hasPrefix("\(field):") }
            .flatMap { UInt64($0.split(separator: "\t")[1], radix: 16) }
    }

    @Test("the service manager is told when the kernel has the rules, and when the daemon is about to end")
    func readiness() async throws {
        let namespace = try NetworkNamespace("node")
        let directory = try TemporaryDirectory()
        let manager = try NotifySocket(path: "\(directory.path)/notify")
        var program = try FairleadCommand().program(Self.arguments(), timeLimit: .seconds(60))
        program.environment["NOTIFY_SOCKET"] = manager.path
        let daemon = try await Daemon(program, in: namespace)
        #expect(await eventually(within: .seconds(30)) { manager.receive() == "READY=1" })
        let tables = try await namespace.execute(Program("nft", ["list", "tables"])).requireSuccess()
        #expect(tables.standardOutput.contains("table ip fairlead"))
        daemon.signal(SIGTERM)
        #expect(await eventually(within: .seconds(30)) { manager.receive() == "STOPPING=1" })
        #expect(try await daemon.waitForEnd(timeLimit: .seconds(30)).status == 0)
    }
}

/// The service manager's end of `sd_notify(3)`.
private final class NotifySocket: Sendable {
    let path: String
    private let descriptor: Int32

    init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
        }
        try #require(result == 0)
    }

    deinit { close(descriptor) }

    /// The next message; nil if there is none.
    func receive() -> String? {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
