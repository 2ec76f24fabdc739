import DataplaneTestKit
import FairleadTestKit
import Glibc
import Testing

/// No room on the disk: for the log, for manifests, for what a command has to say.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct FullDiskTests {
    @Test("a log that cannot be written holds up nothing")
    func log() async throws {
        let bench = try await FaultBench()
        var random = SeededGenerator(seed: 17)
        try bench.change(&random)
        let command = [
            "-c", "exec \"$0\" \"$@\" > /dev/full 2>&1", try FairleadCommand().path, "run", "--log-level", "trace",
        ]
        let program = Program("sh", command + bench.arguments, timeLimit: .seconds(300))
        let daemon = try await Daemon(program, in: bench.cluster.node1.namespace)
        try #require(try await bench.becomesInLine())
        let traffic = try await SteadyTraffic(bench.cluster, FaultBench.steady)
        for _ in 0..<5 {
            try bench.change(&random)
            #expect(try await bench.becomesInLine(within: .seconds(20)))
        }
        let result = await traffic.stop()
        #expect(result.lost.isEmpty && result.probes > 0, "\(result.lost)")
        #expect(daemon.isRunning && daemon.output.isEmpty)
    }

    @Test("manifests that are cut because the disk is full change nothing, and are followed once there is room")
    func manifests() async throws {
        let bench = try await FaultBench()
        var random = SeededGenerator(seed: 23)
        let marker = Scenario(name: "marker", endpoints: [.ready("local-2")], expectations: []).objects(
            Numbers(index: 99))
        try bench.directory.write(Manifest.documents(marker.services.map(\.yaml)), to: "marker.off")
        bench.directory.remove("steady.yaml")
        try bench.directory.write(Self.text(&random, count: 10), to: "all.yaml")
        let disk = try TemporaryDirectory()
        let script = """
            disk=$1; from=$2; shift 2
            mount -t tmpfs -o size=512k full "$disk" && cp "$from"/all.yaml "$from"/marker.off "$disk" &&
            exec "$0" run --log-level debug "$@" > "$disk/log" 2>&1
            """
        let command = ["-m", "sh", "-c", script, try FairleadCommand().path, disk.path, bench.directory.path]
        let arguments = FairleadCommand.clusterArguments(manifests: disk.path)
        let program = Program("unshare", command + arguments, timeLimit: .seconds(300))
        let daemon = try await Daemon(program, in: bench.cluster.node1.namespace)
        try #require(try await bench.becomesInLine(), "\(daemon.output)")
        let inside = daemon.path(inItsRoot: disk.path)
        let traffic = try await SteadyTraffic(bench.cluster, FaultBench.steady)

        #expect(!Self.write([UInt8](repeating: 32, count: 1 << 20), to: "\(inside)/filler"))
        for round in 0..<4 {
            let text = Self.text(&random, count: 40)
            #expect(!Self.write(Array(text.utf8), to: "\(inside)/all.yaml"), "the disk is not full")
            // What comes afterwards is seen afterwards.
            let names = round.isMultiple(of: 2) ? ["marker.off", "marker.yaml"] : ["marker.yaml", "marker.off"]
            for path in [inside, bench.directory.path] {
                #expect(rename("\(path)/\(names[0])", "\(path)/\(names[1])") == 0)
            }
            #expect(try await bench.becomesInLine(within: .seconds(20)), "round \(round)")
        }
        #expect(unlink("\(inside)/filler") == 0)
        let text = Self.text(&random, count: 40)
        #expect(Self.write(Array(text.utf8), to: "\(inside)/all.yaml"))
        try bench.directory.write(text, to: "all.yaml")
        #expect(try await bench.becomesInLine(within: .seconds(20)))
        let result = await traffic.stop()
        #expect(result.lost.isEmpty && result.probes > 0, "\(result.lost)")
        #expect(traffic.liveConversations == traffic.conversationCount)
        #expect(daemon.isRunning)
    }

    @Test("a command whose output cannot be written whole fails")
    func output() async throws {
        let namespace = try NetworkNamespace("full")
        let directory = try TemporaryDirectory()
        try directory.write(FaultBench.steadyManifests, to: "steady.yaml")
        let arguments = FairleadCommand.clusterArguments(manifests: directory.path)
        for command in ["render", "diff"] {
            let words = ["-c", "exec \"$0\" \"$@\" > /dev/full", try FairleadCommand().path, command]
            let result = try await namespace.execute(Program("sh", words + arguments))
            #expect(result.status == 74, "\(result)")
            #expect(result.standardError.contains("cannot be written: No space left on device"), "\(result)")
        }
        let written = try await FairleadCommand().run(
            ["run", "--write-config-to", "/dev/full"] + arguments, in: namespace)
        #expect(written.status == 1 && written.standardError.contains("could not be written whole"), "\(written)")
    }

    /// Services that change, and behind them the one that does not: it is what a cut takes first. No page of the file
    /// ends where a line does.
    private static func text(_ random: inout SeededGenerator, count: Int) -> String {
        let text = FaultBench.manifests(&random, count: count) + "---\n" + FaultBench.steadyManifests
        for padding in 0..<200 {
            let padded = "#" + String(repeating: "x", count: padding) + "\n" + text
            let bytes = Array(padded.utf8)
            let ends = stride(from: 4096, through: bytes.count, by: 4096)
            if ends.allSatisfy({ bytes[$0 - 1] != UInt8(ascii: "\n") }) { return padded }
        }
        return text
    }

    /// Writes in place. Whether all of it was written.
    private static func write(_ bytes: [UInt8], to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
