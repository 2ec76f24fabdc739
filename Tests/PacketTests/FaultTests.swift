import DataplaneTestKit
import FairleadTestKit
import Foundation
import Glibc
import NetworkTypes
import Testing

/// What the real daemon does when it is killed, and when the kernel does not do what it is asked. How much is tried, and
/// with which seed, is up to the environment (`Scripts/soak`).
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct FaultTests {
    @Test("killed at any moment, again and again, it loses no packet of a Service that does not change")
    func killed() async throws {
        let seed = SeededGenerator.environmentSeed
        let kills = SeededGenerator.number("FAIRLEAD_KILLS") ?? 12
        print("kills: FAIRLEAD_SEED=\(seed) FAIRLEAD_KILLS=\(kills)")
        var random = SeededGenerator(seed: seed)
        let bench = try await FaultBench()
        try bench.change(&random)
        var daemon = try await bench.start()
        try #require(try await bench.becomesInLine(), "\(daemon.output)")
        let traffic = try await SteadyTraffic(bench.cluster, FaultBench.steady)
        for kill in 1...kills {
            try bench.change(&random)
            // Most moments of a start and of a change are within this time.
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...400, using: &random)))
            daemon.signal(SIGKILL)
            _ = try await daemon.waitForEnd()
            daemon = try await bench.start()
            guard kill.isMultiple(of: 8) || kill == kills else { continue }
            #expect(try await bench.becomesInLine(), "seed \(seed), kill \(kill): \(daemon.output)")
            #expect(traffic.liveConversations == traffic.conversationCount, "seed \(seed), kill \(kill)")
        }
        let result = await traffic.stop()
        #expect(result.lost.isEmpty, "seed \(seed): \(result.lost)")
        #expect(result.probes > kills)
        print(
            "kills: \(kills), probes: \(result.probes), lost: \(result.lost.count), "
                + "connections that lived: \(traffic.liveConversations) of \(traffic.conversationCount)")
    }

    @Test("killed in the middle of a first load, it leaves whole Services, and the next start does the rest")
    func firstLoad() async throws {
        let seed = SeededGenerator.environmentSeed
        let kills = SeededGenerator.number("FAIRLEAD_LOAD_KILLS") ?? 6
        print("first loads: FAIRLEAD_SEED=\(seed) FAIRLEAD_LOAD_KILLS=\(kills)")
        var random = SeededGenerator(seed: seed)
        let namespace = try NetworkNamespace("first-load")
        let directory = try TemporaryDirectory()
        try directory.write(Manifest.cluster, to: "cluster.yaml")
        try directory.write(FaultBench.manifests(&random, count: 250), to: "services.yaml")
        let arguments = FairleadCommand.clusterArguments(manifests: directory.path)
        let fairlead = try FairleadCommand()
        try await fairlead.run(["apply"] + arguments, in: namespace).requireSuccess()
        let whole = try await Self.elements(namespace)
        var partial = 0
        for kill in 1...kills {
            try await fairlead.run(["cleanup"], in: namespace).requireSuccess()
            let monitor = try await Daemon(Program("nft", ["monitor", "new", "tables"]), in: namespace)
            let isListening = try await eventually {
                try await NFT(namespace).load("add table ip fence\ndelete table ip fence\n")
                return monitor.output.contains("fence")
            }
            #expect(isListening)
            let daemon = try await fairlead.start(["run"] + arguments, in: namespace)
            // The first of several commits has been made: the kernel has told of it.
            _ = await eventually(within: .seconds(20), every: .milliseconds(1)) {
                monitor.output.contains("add table ip fairlead")
            }
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &random)))
            daemon.signal(SIGKILL)
            _ = try await daemon.waitForEnd()
            let left = try await Self.elements(namespace)
            if !left.isEmpty, left != whole { partial += 1 }
            let torn = Self.torn(left, whole)
            #expect(torn.isEmpty, "seed \(seed), kill \(kill): \(torn)")
            try await fairlead.run(["apply"] + arguments, in: namespace).requireSuccess()
            #expect(
                try await fairlead.run(["diff"] + arguments, in: namespace).status == 0, "seed \(seed), kill \(kill)")
            #expect(try await Self.elements(namespace) == whole, "seed \(seed), kill \(kill)")
        }
        print("first loads killed: \(kills), of them with a part of the Services in the kernel: \(partial)")
    }

    /// The Services of which some elements are there and others are not.
    private static func torn(_ left: [String: Set<String>], _ whole: [String: Set<String>]) -> [String] {
        var counts: [String: (left: Int, whole: Int)] = [:]
        for (set, keys) in whole {
            for key in keys {
                // Its addresses, or its node port, name the Service; the sets of endpoints belong to all.
                let words = key.split(separator: " ")
                let port = set.hasPrefix("nodeport") ? words.lazy.compactMap { Int($0) }.first { $0 > 30000 } : nil
                let parts = words[0].split(separator: ".")
                guard let index = port.map({ $0 - 30100 }) ?? (parts.count == 4 ? Int(parts[3]) : nil),
                    port != nil || ["10.96.1.", "10.250.1.", "10.251.1."].contains(where: { key.hasPrefix($0) })
                else { continue }
                let isThere = left[set]?.contains(key) ?? false
                let name = Numbers(index: index).name
                counts[name, default: (0, 0)].whole += 1
                counts[name, default: (0, 0)].left += isThere ? 1 : 0
            }
        }
        return counts.filter { $0.value.left > 0 && $0.value.left < $0.value.whole }.map { "\($0.key): \($0.value)" }
    }

    /// The keys of the IPv4 table's elements, as `nft` shows them.
    private static func elements(_ namespace: NetworkNamespace) async throws -> [String: Set<String>] {
        var result: [String: Set<String>] = [:]
        let text = try await NFT(namespace).listTable("ip fairlead")
        for block in text.split(separator: "\n\t}") {
            guard let head = block.firstMatch(of: /(?:set|map) ([a-z0-9-]+) \{/),
                let list = block.firstRange(of: "elements = {")
            else { continue }
            let elements = block[list.upperBound...].split(whereSeparator: { ",}".contains($0) })
            result[String(head.1)] = Set(
                elements.compactMap { element in
                    let key = element.split(separator: " : ")[0].split(separator: " comment ")[0]
                    let words = key.split(separator: " counter ")[0].split(whereSeparator: \.isWhitespace)
                    return words.isEmpty ? nil : words.joined(separator: " ")
                })
        }
        return result
    }

    /// Calls that fail, in the real daemon: what strace gives it in place of the kernel's answer.
    static let faults = [
        "sendto:error=ENOBUFS", "sendto:error=ENOMEM", "sendto:error=EPERM", "sendto:error=EBUSY", "sendto:error=EINTR",
        // Answers that never come.
        "recvmsg:error=EAGAIN", "recvmsg:error=ENOBUFS", "recvmsg:error=EINTR",
    ]

    @Test("calls to the kernel that fail, and answers that get lost, delay a change and harm nothing else")
    func failingCalls() async throws {
        let seed = SeededGenerator.environmentSeed
        let rounds = SeededGenerator.number("FAIRLEAD_FAULT_ROUNDS") ?? 3
        print("failing calls: FAIRLEAD_SEED=\(seed) FAIRLEAD_FAULT_ROUNDS=\(rounds)")
        var random = SeededGenerator(seed: seed)
        let bench = try await FaultBench()
        try bench.change(&random)
        try await FairleadCommand().run(["apply"] + bench.arguments, in: bench.cluster.node1.namespace).requireSuccess()
        let traffic = try await SteadyTraffic(bench.cluster, FaultBench.steady)
        let order = Self.faults.shuffled(using: &random)
        var total = 0
        for round in 0..<rounds {
            // Of each thread's calls four fail: what is tried again goes on for so long and no longer.
            let (first, step) = (Int.random(in: 5...60, using: &random), Int.random(in: 3...60, using: &random))
            let fault = "\(order[round % order.count]):when=\(first)..\(first + 3 * step)+\(step)"
            let log = "\(bench.directory.path)/../\(ProcessInfo.processInfo.globallyUniqueString).strace"
            defer { unlink(log) }
            let daemon = try await bench.start(fault: fault, log: log)
            // Until something has failed: how many calls a change takes depends on how they come together.
            for change in 0..<60 where change < 6 || FaultBench.failedCalls(log) == 0 {
                try bench.change(&random)
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...400, using: &random)))
            }
            #expect(
                // Two threads with four failures each, and waits of up to half a minute after each.
                try await bench.becomesInLine(within: .seconds(240)),
                "seed \(seed), round \(round), \(fault): \(daemon.output)")
            daemon.signal(SIGTERM)
            _ = try await daemon.waitForEnd(timeLimit: .seconds(30))
            let calls = FaultBench.failedCalls(log)
            print("failing calls: \(fault): \(calls)")
            total += calls
            #expect(calls > 0, "\(fault) never came")
        }
        let result = await traffic.stop()
        #expect(result.lost.isEmpty, "seed \(seed): \(result.lost)")
        #expect(traffic.liveConversations == traffic.conversationCount)
        print(
            "failing calls: \(total) in \(rounds) rounds, probes: \(result.probes), lost: \(result.lost.count), "
                + "connections that lived: \(traffic.liveConversations) of \(traffic.conversationCount)")
    }

    @Test("neighbours that commit without a pause hold up neither a start nor a change")
    func storm() async throws {
        let bench = try await FaultBench()
        var random = SeededGenerator(seed: 5)
        try bench.change(&random)
        // Neighbours stay as fast as they are beside a daemon that no sanitizer slows down.
        let pause = TimeFactor.value > 1 ? "sleep \(Double(TimeFactor.value) / 1000)" : ":"
        let script = """
            { i=0; while \(pause); do i=$((i+1))
                echo "add table ip n$((i%7))"; echo "add set ip n$((i%7)) s { type ipv4_addr; }"
                echo "add element ip n$((i%7)) s { 10.0.$((i%250)).1 }"; [ $((i%7)) = 3 ] && echo "delete table ip n3"
            done; } | nft -i > /dev/null 2>&1
            """
        let node = bench.cluster.node1.namespace
        let storm = try await Daemon(Program("bash", ["-c", script], timeLimit: .seconds(120)), in: node)
        for options in [["--no-own-tables"], []] {
            let daemon = try await bench.start(options)
            try await daemon.waitForOutput("serving", timeLimit: .seconds(30))
            for _ in 0..<3 {
                try bench.change(&random)
                // Reading is just as hard for the second process.
                #expect(try await bench.becomesInLine(), "\(daemon.output)")
            }
            #expect(!daemon.output.contains("had been changed"), "\(daemon.output)")
            daemon.signal(SIGKILL)
            _ = try await daemon.waitForEnd()
        }
        #expect(storm.isRunning)
        storm.signal(SIGKILL)
    }
}
