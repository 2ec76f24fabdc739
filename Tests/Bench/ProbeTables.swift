import FairleadTestKit
import Glibc

/// What `fairlead-probe` measures of the stages between decoded objects and the kernel.
struct ProbeTables {
    let bench: Bench
    let work: WorkDirectory
    let probe: String

    /// How many changes are counted.
    private static let changes = 200

    func measure(services: Int) throws(TestKitError) -> [Report.Table] {
        Progress.show("\(services.grouped) Services: replay, load and restart")
        let size = ["--services", "\(services)", "--endpoints", "\(bench.endpoints)"]
        let values = try run(probe, ["load", "--runs", "\(bench.runs)"] + size)
        Progress.show("\(services.grouped) Services: instructions of a change")
        return [stages(values), try changes(size), try largeServices()]
    }

    /// Runs a program and gives the numbers of its `name=value` lines.
    private func run(_ path: String, _ arguments: [String]) throws(TestKitError) -> [String: [Double]] {
        let output = "\(work.path)/probe.txt"
        _ = try MeasuredProcess(path, arguments, output: output).finish(within: .seconds(3600))
        var values: [String: [Double]] = [:]
        for line in try Self.text(output).split(separator: "\n") {
            let parts = line.split(separator: "=")
            if parts.count == 2, let value = Double(parts[1]) { values[String(parts[0]), default: []].append(value) }
        }
        WorkDirectory.remove(output)
        return values
    }

    private static func text(_ path: String) throws(TestKitError) -> String {
        let descriptor = try SystemCall.check(open(path, O_RDONLY | O_CLOEXEC), path)
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    private func stages(_ values: [String: [Double]]) -> Report.Table {
        func cpu(_ name: String) -> [Double] {
            zip(values["\(name).user.ms"] ?? [], values["\(name).system.ms"] ?? []).map { $0 + $1 }
        }
        func row(_ title: String, _ name: String) -> [String] {
            let wall = values["\(name).wall.ms"] ?? []
            let ratio = Samples(wall).least / max(Samples(values["replay.wall.ms"] ?? []).least, 1)
            return [title, Samples(wall).text(0), Samples(cpu(name)).text(0), ratio.text(2)]
        }
        var table = Report.Table(header: ["from objects in memory", "wall ms", "processor ms", "least to least"])
        table.rows = [
            row("replay of the same bytes", "replay"), row("objects to committed", "load"),
            row("restart, nothing to do", "restart"),
        ]
        let objects = Samples(values["objects.bytes"] ?? []).median / 1e6
        let state = Samples(values["state.bytes"] ?? []).median / 1e6
        table.notes = ["Memory: objects \(objects.text(1)) MB, with what the node makes of them \(state.text(1)) MB."]
        return table
    }

    // MARK: Instructions

    /// Instructions are counted, not timed: other work on the machine does not change them.
    private func changes(_ size: [String]) throws(TestKitError) -> Report.Table {
        var table = Report.Table(header: ["one endpoint replaced, objects to bytes", "instructions"])
        for (title, batch) in [("in an update of its own", 1), ("in an update with 99 others", 100)] {
            let count = Self.changes / batch
            let arguments = ["changes", "--count", "\(count)", "--batch", "\(batch)"] + size
            table.rows.append([title, try instructions(arguments).map { ($0 / Self.changes).grouped } ?? "no valgrind"])
        }
        return table
    }

    /// A Service of so many slices with a hundred endpoints each, of which one endpoint is replaced.
    private func largeServices() throws(TestKitError) -> Report.Table {
        var table = Report.Table(header: ["one of so many endpoints replaced, objects to bytes", "instructions"])
        for slices in [1, 10, 50, 200] {
            Progress.show("a Service with \((slices * 100).grouped) endpoints: instructions of a change")
            let size = ["--services", "1", "--endpoints", "100", "--slices", "\(slices)"]
            let arguments = ["changes", "--count", "\(Self.changes)"] + size
            table.rows.append([
                (slices * 100).grouped,
                try instructions(arguments).map { ($0 / Self.changes).grouped } ?? "no valgrind",
            ])
        }
        table.notes = ["A Service of its own, in slices of 100 endpoints."]
        return table
    }

    private func instructions(_ arguments: [String]) throws(TestKitError) -> Int? {
        guard let valgrind = try? Program.locate("valgrind"), let strip = try? Program.locate("strip") else {
            return nil
        }
        // valgrind cannot read the debugging information of all compilers.
        let stripped = "\(work.path)/probe"
        _ = try MeasuredProcess(strip, ["-o", stripped, probe]).finish()
        let tool = ["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null", stripped]
        let cost = try MeasuredProcess(valgrind, tool + arguments).finish(within: .seconds(3600))
        for line in cost.messages.split(separator: "\n") where line.contains("Collected") {
            return line.split(separator: " ").last.flatMap { Int($0) }
        }
        return nil
    }
}
