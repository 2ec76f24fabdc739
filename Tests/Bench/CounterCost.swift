import FairleadTestKit
import Glibc

/// What `--service-counters` costs: loading the rules, and the first packet of each connection.
struct CounterCost {
    let bench: Bench
    let files: ManifestFiles
    let work: WorkDirectory

    private static let options = ["--service-counters"]
    /// The packets of a round, each the first one of a connection.
    private static let packets = 2000
    /// Short and many, so that what else the machine does meets both sides of a pair. The kernel has room for some 260,000
    /// connections in each namespace.
    private static let rounds = 75

    func measure() throws(TestKitError) -> [Report.Table] {
        let manifests = "\(work.path)/counted.\(files.format.rawValue)"
        try files.writeAll(to: manifests)
        defer { WorkDirectory.remove(manifests) }
        let arguments = ["apply", "--quiet"] + bench.arguments(manifests: manifests)
        return [try loads(arguments), try firstPackets(arguments)]
    }

    // MARK: Load

    private func loads(_ arguments: [String]) throws(TestKitError) -> Report.Table {
        var pairs: [(plain: (ProcessCost, Double), counting: (ProcessCost, Double))] = []
        // All stay to the end: the memory of one that goes comes back at some later time, and would be told of another.
        var namespaces: [NetworkNamespace] = []
        for number in 1...bench.runs {
            Progress.show("\(files.cluster.services.grouped) Services: load with counters \(number) of \(bench.runs)")
            pairs.append((try load(arguments, &namespaces), try load(arguments + Self.options, &namespaces)))
        }
        var table = Report.Table(header: [
            "--service-counters: cold load", "wall s", "system s", "peak MB", "kernel MB",
        ])
        func row(_ name: String, _ costs: [(ProcessCost, Double)]) -> [String] {
            [
                name, Samples(costs.map(\.0.wall)).text(3), Samples(costs.map(\.0.system)).text(3),
                Samples(costs.map(\.0.peak)).text(1), Samples(costs.map(\.1)).text(1),
            ]
        }
        func ratio(_ value: ((ProcessCost, Double)) -> Double) -> String {
            Samples(pairs.map { value($0.counting) / max(value($0.plain), 0.0001) }).text(2)
        }
        table.rows = [
            row("without", pairs.map(\.plain)), row("with", pairs.map(\.counting)),
            ["ratio", ratio(\.0.wall), ratio(\.0.system), ratio(\.0.peak), ratio(\.1)],
        ]
        table.notes = [
            "Kernel memory is what the whole machine's SUnreclaim, Percpu and VmallocUsed grew by: other work is in it."
        ]
        return table
    }

    private func load(
        _ arguments: [String], _ namespaces: inout [NetworkNamespace]
    ) throws(TestKitError) -> (ProcessCost, Double) {
        let namespace = try NetworkNamespace("load")
        namespaces.append(namespace)
        return try namespace.run { () throws(TestKitError) in
            let before = try Self.kernelMemory()
            let cost = try MeasuredProcess(bench.fairlead.path, arguments).finish()
            return (cost, try Self.kernelMemory() - before)
        }
    }

    /// Megabytes that the kernel uses for itself, apart from pages.
    private static func kernelMemory() throws(TestKitError) -> Double {
        let descriptor = try SystemCall.check(open("/proc/meminfo", O_RDONLY | O_CLOEXEC), "read /proc/meminfo")
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = read(descriptor, &buffer, buffer.count)
        var kilobytes = 0.0
        for line in String(decoding: buffer[..<max(0, count)], as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 1, ["SUnreclaim:", "Percpu:", "VmallocUsed:"].contains(words[0]) else { continue }
            kilobytes += Double(words[1]) ?? 0
        }
        return kilobytes * 1024 / 1e6
    }

    // MARK: First packets

    private func firstPackets(_ arguments: [String]) throws(TestKitError) -> Report.Table {
        let (plain, counting) = (try FirstPackets("plain"), try FirstPackets("counting"))
        try plain.run(bench.fairlead.path, arguments)
        try counting.run(bench.fairlead.path, arguments + Self.options)
        var pairs: [(plain: Double, counting: Double)] = []
        for round in 0..<Self.rounds {
            Progress.show("\(files.cluster.services.grouped) Services: first packets \(round + 1) of \(Self.rounds)")
            // Each is first in every other round.
            if round % 2 == 0 {
                let first = try send(round, plain)
                pairs.append((first, try send(round, counting)))
            } else {
                let first = try send(round, counting)
                pairs.append((try send(round, plain), first))
            }
        }
        try check(counting.namespace)
        var table = Report.Table(header: [
            "--service-counters: new connections", "processor ns each", "a second, one processor",
        ])
        func row(_ name: String, _ times: [Double]) -> [String] {
            [name, Samples(times).text(0), Int(1e9 / Samples(times).median).grouped]
        }
        let ratios = Samples(pairs.map { $0.counting / $0.plain })
        table.rows = [
            row("without", pairs.map(\.plain)), row("with", pairs.map(\.counting)),
            ["ratio", ratios.text(3), (1 / ratios.median).text(3)],
        ]
        table.notes = [
            "A SYN of the node itself to a ClusterIP, from send(2) to the end of its way out, conntrack and all; "
                + "\(Self.rounds) rounds of \(Self.packets.grouped) each."
        ]
        return table
    }

    private func send(_ round: Int, _ packets: FirstPackets) throws(TestKitError) -> Double {
        try packets.send(Self.packets, round: round, to: files.cluster)
    }

    /// Throws unless each connection was counted.
    private func check(_ namespace: NetworkNamespace) throws(TestKitError) {
        let list = try namespace.run(Program(bench.nft, ["list", "table", "ip", "fairlead"], timeLimit: .seconds(120)))
        let counted = list.standardOutput.split(separator: "\n").filter { !$0.contains("ct state") }
            .flatMap { $0.split(separator: "counter packets ").dropFirst() }
            .reduce(0) { $0 + (Int($1.prefix { $0.isNumber }) ?? 0) }
        if counted != Self.packets * Self.rounds {
            throw .conversation("of \(Self.packets * Self.rounds) connections \(counted) were counted")
        }
    }
}
