import FairleadTestKit
import Glibc
import Netfilter
import NetworkTypes
import Testing

@testable import NetlinkTransport

/// What looks at a large table cost, for docs/performance.md. Runs with `FAIRLEAD_MEASURE=1` only.
@Suite(.serialized, .enabled(if: getenv("FAIRLEAD_MEASURE") != nil, "measurements run on demand"))
struct ConntrackMeasurements {
    @Test("100,000 foreign entries", arguments: IPFamily.allCases)
    func measure(_ family: IPFamily) throws {
        func address(_ number: Int) -> IPAddress {
            family == .ipv4
                ? .v4(IPv4Address(rawValue: 0x0A00_0000 + UInt32(number)))
                : .v6(IPv6Address(high: 0xFD00 << 48, low: UInt64(number)))
        }
        func entry(_ number: Int, to destination: Int, target: Int) -> ConntrackFixture.Entry {
            ConntrackFixture.Entry(
                flow: TrackedFlow(
                    .udp, from: address(1_000_000 + number / 1000), UInt16(1024 + number % 1000),
                    to: address(destination), 53, target: address(target), 53))
        }
        let namespace = try NetworkNamespace("measurement")
        try namespace.inside { () throws(NetlinkError) in
            // 200 Services with 500 flows each, and one more whose 1000 flows go.
            try ConntrackFixture.make((0..<100_000).map { entry($0, to: 1 + $0 % 200, target: 5000 + $0 % 200) })
            let one = FlowFilter(family, .udp, to: address(1000), port: 53)
            for (name, asks, filter) in [
                ("asked for address and port", true, one), ("asked for the protocol", true, FlowFilter(family, .udp)),
                ("asked for a protocol without entries", true, FlowFilter(family, .sctp)),
                ("asked for nothing", false, one),
            ] {
                for deletions in [0, 1000] {
                    if filter.transport == .sctp && deletions > 0 { continue }
                    try report(name, family, asks, filter, (0..<deletions).map { entry($0, to: 1000, target: 6000) })
                }
            }
        }
    }

    private func report(
        _ name: String, _ family: IPFamily, _ asks: Bool, _ filter: FlowFilter, _ stale: [ConntrackFixture.Entry]
    ) throws(NetlinkError) {
        let kernel = try ConntrackKernel(asksForFilter: asks)
        let doomed = stale.first?.flow.destination
        var times: [Double] = []
        var removal = FlowRemoval()
        for _ in 0..<7 {
            try ConntrackFixture.make(stale)
            let start = ContinuousClock.now
            removal = try kernel.remove(filter) { $0.destination == doomed }
            times.append((ContinuousClock.now - start) / .milliseconds(1))
            #expect(removal.deleted == stale.count)
        }
        times.sort()
        print("\(family), \(name): \(times[3]) ms (\(times[0]) to \(times[6])), \(removal)")
    }
}
