import FairleadTestKit
import Glibc
import Observability
import Telemetry
import Testing

@Suite struct ProcessUsageTests {
    @Test("the process's numbers are its own")
    func now() throws {
        let before = ProcessUsage.now
        let beforeCount = try #require(before.openFiles)
        let descriptors = (0..<50).map { _ in dup(0) }
        while (ProcessUsage.now.processorSeconds ?? .infinity) < (before.processorSeconds ?? 0) + 0.05 {}
        let after = ProcessUsage.now
        for descriptor in descriptors { close(descriptor) }
        // Other tests open and close some as well.
        #expect((20...80).contains(try #require(after.openFiles) - beforeCount))
        #expect(after.startTime == before.startTime)
        // The clock is asked for whole seconds.
        #expect((-1...3600).contains(Double(time(nil)) - (try #require(after.startTime))))
        let (resident, virtual) = (try #require(after.residentBytes), try #require(after.virtualBytes))
        #expect(resident > 1_000_000 && resident <= virtual)
        #expect(try #require(after.mostFiles) >= Double(try #require(after.openFiles)))
    }

    @Test("a scrape tells them")
    func scrape() async throws {
        let board = StatusBoard(version: "1")
        let answer = await board.answerMetrics(HTTPRequest(method: "GET", path: "/metrics")) {
            CounterReading(time: .now, cost: .zero, counters: [])
        }
        let names = try PrometheusPage(answer.body).values.keys.filter { $0.hasPrefix("process_") }
        #expect(
            Set(names) == [
                "process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_virtual_memory_bytes",
                "process_resident_memory_bytes", "process_start_time_seconds",
            ])
    }
}
