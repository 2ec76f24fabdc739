import FairleadTestKit
import NetworkTypes
import Testing

/// More clients than there is room for.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct AffinityCapacityTests {
    /// What docs/dataplane.md says.
    private static let capacity = 262_144
    /// An ordinary user's `nft` has no room for more in one batch.
    private static let batch = 2000

    /// A command that adds clients that nobody has, of a pool that there is not.
    private static func filling(_ numbers: Range<Int>, _ family: IPFamily) -> String {
        let elements = numbers.map { number in
            family == .ipv4
                ? "172.\(16 + number >> 16).\(number >> 8 & 255).\(number & 255) . tcp . fa1e:ffff timeout 1h : 10.1.1.1 . 80"
                : "\(number >> 9) . \(number & 511) . tcp . fa1e:ffff timeout 1h : fd00::1"
        }
        let table = family == .ipv4 ? "ip" : "ip6"
        return "add element \(table) fairlead affinity { \(elements.joined(separator: ", ")) }\n"
    }

    private static let watch = """
        table inet watch {
            counter tainted { }
            chain out {
                type filter hook postrouting priority 300;
                ct status dnat meta priority != 0 counter name tainted
            }
        }
        """

    @Test(
        "with no room for more clients, further ones are served from any endpoint, and those remembered stay",
        arguments: IPFamily.allCases)
    func full(_ family: IPFamily) async throws {
        let bench = try await Bench(.apply, [.affine()])
        let crowd = try await Crowd.join(bench)
        let homes = try await crowd.ask(.clusterIP, .tcp, family)
        #expect(!homes.values.contains("nobody") && homes.count == 20, "\(homes)")
        let nft = NFT(bench.cluster.node1.namespace)
        try await nft.load(Self.watch)
        let room = Self.capacity - homes.count
        for start in stride(from: 0, to: room, by: Self.batch) {
            try await nft.load(Self.filling(start..<min(start + Self.batch, room), family))
        }
        await #expect(throws: TestKitError.self, "there is no room left") {
            try await nft.load(Self.filling(room..<room + 1, family))
        }

        #expect(try await crowd.ask(.nodePort, .tcp, family) == homes)
        for (caller, target) in [
            ("client", Target.loadBalancerIP), ("local-caller", .clusterIP), ("node1", .clusterIP),
        ] {
            // Of five endpoints one answers forty times in a row once in 10^27 times.
            let tally = try await bench.tally(caller, to: target, .udp, family, count: 40)
            #expect(tally.answers.count == 40 && tally.servers.count > 1, "\(caller): \(tally)")
        }
        let counters = try await nft.list(["counters", "table", "inet", "watch"])
        #expect(counters.contains("counter tainted {\n\t\tpackets 0 "), "\(counters)")

        // As soon as there is room clients are remembered again.
        try await nft.load("flush map \(family == .ipv4 ? "ip" : "ip6") fairlead affinity\n")
        let tally = try await bench.tally("client", to: .loadBalancerIP, .udp, family, count: 12)
        #expect(tally.answers.count == 12 && tally.servers.count == 1, "\(tally)")
    }
}
