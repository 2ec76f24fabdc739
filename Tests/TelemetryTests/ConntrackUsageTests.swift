import Telemetry
import Testing

/// What the kernel tells of conntrack's table.
struct ConntrackUsageTests {
    @Test("numbers come from the kernel's files, summed over processors; without a table there are none")
    func parsing() {
        let statistics = [
            "entries  clashres found insert_failed drop early_drop icmp_error",
            "000000ff 0 0 00000001 0000000a 00000002 0",
            "000000ff 0 0 00000000 00000010 00000000 0",
        ]
        let usage = ConntrackUsage(count: "90", limit: "100", statistics: statistics)
        #expect(
            usage
                == ConntrackUsage(entries: 90, limit: 100, drops: 26, earlyDrops: 2, failedInsertions: 1))
        #expect(ConntrackUsage(count: "90", limit: "100", statistics: [])?.drops == 0)
        #expect(ConntrackUsage(count: "90", limit: "100", statistics: ["drop", "", "x"])?.drops == 0)
        #expect(ConntrackUsage(count: nil, limit: "100", statistics: []) == nil)
        #expect(ConntrackUsage(count: "90", limit: "0", statistics: []) == nil)
        #expect(ConntrackUsage(count: "x", limit: "100", statistics: []) == nil)
    }

    @Test("the alarm begins at 90 % and ends below 80 %")
    func alarm() {
        func alarms(_ entries: Int, _ before: Bool) -> Bool {
            ConntrackUsage(entries: entries, limit: 1000).isAlarming(before: before)
        }
        #expect(!alarms(899, false) && alarms(900, false) && alarms(2000, false))
        #expect(alarms(800, true) && !alarms(799, true) && !alarms(0, true))
    }
}
