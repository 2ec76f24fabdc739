import Testing

@testable import Reconciliation

/// Which kernel parameters are written.
@Suite struct ConntrackSettingsTests {
    private static let maximum = "/proc/sys/net/netfilter/nf_conntrack_max"
    private static let hashSize = "/sys/module/nf_conntrack/parameters/hashsize"

    private func plan(
        _ present: [String: Int], processors: Int = 4, _ change: (inout ConntrackSettings) -> Void
    ) -> ConntrackSettings.Plan {
        var settings = ConntrackSettings()
        change(&settings)
        return settings.plan(processors: processors) { present[$0] }
    }

    @Test(
        "room in the table: per processor, at the least, at the most",
        arguments: [
            (32768, 131_072, 2, 131_072), (32768, 131_072, 8, 262_144), (32768, 131_072, 64, 1 << 20),
            (32768, nil, 1, 32768), (nil, 131_072, 8, nil), (Int.max, 1, 8, 1 << 20),
        ] as [(Int?, Int?, Int, Int?)])
    func room(perCore: Int?, minimum: Int?, processors: Int, expected: Int?) {
        var settings = ConntrackSettings()
        settings.maximumPerCore = perCore
        settings.minimum = minimum
        #expect(settings.maximum(processors: processors) == expected)
    }

    @Test("a table that is too small grows, and its hash table with it if that is too small")
    func grow() {
        let small = plan([Self.maximum: 65536, Self.hashSize: 16384]) { $0.maximumPerCore = 65536 }
        #expect(
            small.groups == [
                [
                    ParameterChange(path: Self.maximum, before: 65536, value: 262_144),
                    ParameterChange(path: Self.hashSize, before: 16384, value: 65536),
                ]
            ])
        let roomy = plan([Self.maximum: 65536, Self.hashSize: 65536]) { $0.maximumPerCore = 65536 }
        #expect(roomy.groups.map(\.count) == [1])
    }

    @Test("a table that is larger than asked for is kept, and that is said")
    func keep() {
        let larger = plan([Self.maximum: 524_288, Self.hashSize: 1]) { $0.maximumPerCore = 32768 }
        #expect(larger.groups == [])
        #expect(larger.keptMaximum == .init(present: 524_288, wanted: 131_072))
        let equal = plan([Self.maximum: 131_072]) { $0.maximumPerCore = 32768 }
        #expect(equal.groups == [] && equal.keptMaximum == nil)
    }

    @Test("what is not set is left alone, what has its value is not written")
    func leave() {
        #expect(plan([:]) { _ in } == ConntrackSettings.Plan())
        let path = "/proc/sys/net/netfilter/nf_conntrack_"
        let present = [
            path + "tcp_timeout_established": 432_000, path + "tcp_timeout_close_wait": 3600, path + "udp_timeout": 30,
        ]
        let some = plan(present) {
            $0.tcpEstablishedTimeout = 86400
            $0.tcpCloseWaitTimeout = 3600
            $0.udpStreamTimeout = 60
            $0.tcpBeLiberal = true
        }
        #expect(
            some.groups == [
                [ParameterChange(path: path + "tcp_timeout_established", before: 432_000, value: 86400)],
                [ParameterChange(path: path + "udp_timeout_stream", before: nil, value: 60)],
                [ParameterChange(path: path + "tcp_be_liberal", before: nil, value: 1)],
            ])
    }
}
