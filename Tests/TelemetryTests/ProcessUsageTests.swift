import FairleadTestKit
import Telemetry
import Testing

@Suite struct ProcessUsageTests {
    private static let units = ProcessUsage.Units(ticksPerSecond: 100, pageSize: 4096, bootTime: 1_000_000)

    /// What a kernel wrote, under a name that wants to be misread.
    private static let stat =
        "4711 (a) R 1 (b) S 1 4711 4711 0 -1 4194560 5000 0 10 0 1234 566 7 8 20 0 9 0 123450 212345678 2500 "
        + "18446744073709551615 1 1 0 0 0 0 0 4096 17 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

    private static let limits = """
        Limit                     Soft Limit           Hard Limit           Units     
        Max cpu time              unlimited            unlimited            seconds   
        Max open files            1024                 1048576              files     
        Max locked memory         8388608              8388608              bytes     

        """

    private func values(_ usage: ProcessUsage) throws -> [String: Double] {
        try PrometheusPage(PrometheusText.render(usage.metrics)).values
    }

    @Test("what the kernel tells of a process has the names that dashboards know")
    func values() throws {
        var usage = ProcessUsage()
        usage.read(stat: Self.stat, Self.units)
        usage.read(limits: Self.limits)
        usage.openFiles = 17
        let expected: [String: Double] = [
            "process_cpu_seconds_total": 18, "process_start_time_seconds": 1_001_234.5,
            "process_virtual_memory_bytes": 212_345_678, "process_resident_memory_bytes": 2500 * 4096,
            "process_open_fds": 17, "process_max_fds": 1024,
        ]
        #expect(try values(usage) == expected)
    }

    @Test("without a limit the limit is infinite")
    func unlimited() throws {
        var usage = ProcessUsage()
        usage.read(limits: Self.limits.replacing("1024", with: "unlimited"))
        #expect(try values(usage) == ["process_max_fds": .infinity])
    }

    @Test("what cannot be understood is left out", arguments: ["", "4711 (a", "4711 (a) S 1 2 3", "4711 (a) S 1 x"])
    func nonsense(_ text: String) throws {
        var usage = ProcessUsage()
        usage.read(stat: text, Self.units)
        usage.read(limits: text)
        #expect(try values(usage) == [:])
    }
}
