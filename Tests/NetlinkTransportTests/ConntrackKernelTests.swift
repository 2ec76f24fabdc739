import FairleadTestKit
import Netfilter
import NetworkTypes
import Testing

@testable import NetlinkTransport

/// The conntrack table of the real kernel, in a namespace of its own.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ConntrackKernelTests {
    private typealias Entry = ConntrackFixture.Entry

    /// Client addresses and destinations of a family.
    private static func entry(
        _ family: IPFamily, _ transport: TransportProtocol, to last: Int, _ port: UInt16, target: Int? = nil,
        from sourcePort: UInt16 = 1000, zone: UInt16 = 0
    ) -> Entry {
        func address(_ number: Int) -> IPAddress {
            family == .ipv4 ? IPAddress(stringLiteral: "10.0.0.\(number)") : IPAddress(stringLiteral: "fd00::\(number)")
        }
        let flow = TrackedFlow(
            transport, from: address(200), sourcePort, to: address(last), port, target: address(target ?? last),
            target == nil ? port : 8080,
            zone: zone)
        return Entry(flow: flow)
    }

    private static let worlds = IPFamily.allCases.flatMap { family in
        [TransportProtocol.udp, .sctp].map { (family, $0) }
    }

    @Test("entries go while the table is read, a few hundred at a time, each judged again in the moment before")
    func judgedTwice() throws {
        let namespace = try NetworkNamespace("conntrack")
        try namespace.inside { () throws(NetlinkError) in
            let entries = (0..<2000).map {
                Self.entry(.ipv4, .udp, to: 1, 53, target: 11, from: UInt16(1000 + $0))
            }
            try ConntrackFixture.make(entries)
            let filter = FlowFilter(.ipv4, .udp, to: entries[0].flow.destination, port: 53)
            let kernel = try ConntrackKernel()
            // A commit makes all of them live after the third part.
            var parts = 0
            var isStale = true
            let removal = try kernel.remove(filter) { _ in
                isStale
            } settle: {
                parts += 1
                isStale = parts <= 3
                return true
            }
            #expect(parts == 4)
            #expect(removal.deleted == 3 * 256)
            #expect(try ConntrackFixture.list(filter).flows.count == 2000 - 3 * 256)
            // Nothing may be deleted now: it counts as refused.
            let refused = try kernel.remove(filter, where: { _ in true }, settle: { false })
            #expect(refused.refused == 2000 - 3 * 256)
            #expect(refused.deleted == 0)
        }
    }

    @Test("exactly the stale entries are deleted", arguments: worlds, [true, false])
    func delete(_ world: (family: IPFamily, transport: TransportProtocol), asksForFilter: Bool) throws {
        let (family, transport) = world
        let stale = [
            Self.entry(family, transport, to: 1, 53, target: 11), Self.entry(family, transport, to: 1, 53),
            Self.entry(family, transport, to: 1, 53, target: 12, from: 1001, zone: 9),
        ].enumerated().map { offset, entry in
            var copy = entry
            copy.flow.sourcePort = UInt16(1000 + offset)
            return copy
        }
        var live = [
            Self.entry(family, transport, to: 1, 53, target: 13, from: 2000),
            Self.entry(family, transport, to: 1, 54, target: 11, from: 2001),
            Self.entry(family, transport, to: 2, 53, target: 11, from: 2002),
        ]
        // The same tuple as a stale entry, in another zone.
        live.append(Self.entry(family, transport, to: 1, 53, target: 13, from: stale[0].flow.sourcePort, zone: 5))
        let namespace = try NetworkNamespace("conntrack")
        try namespace.inside { () throws(NetlinkError) in
            let other: IPFamily = family == .ipv4 ? .ipv6 : .ipv4
            let foreign = [
                Self.entry(family, .tcp, to: 1, 53, target: 11),
                Self.entry(family, transport == .udp ? .sctp : .udp, to: 1, 53, target: 11),
                Self.entry(other, transport, to: 1, 53, target: 11),
            ]
            try ConntrackFixture.make(stale + live + foreign)
            let filter = FlowFilter(family, transport, to: stale[0].flow.destination, port: 53)
            let kernel = try ConntrackKernel(asksForFilter: asksForFilter)
            let doomed = Set(stale.map(\.flow))
            let removal = try kernel.remove(filter) { doomed.contains($0) }
            #expect(removal.deleted == stale.count)
            #expect(try kernel.remove(filter) { doomed.contains($0) }.deleted == 0)
            let rest = try ConntrackFixture.list(FlowFilter(family, transport)).flows
            #expect(rest == Set(live.map(\.flow)))
            for entry in foreign {
                let filter = FlowFilter(entry.flow.destination.family, entry.flow.transport)
                #expect(try ConntrackFixture.list(filter).flows.contains(entry.flow))
            }
        }
    }

    @Test("the kernel hands over only what the filter asks for", arguments: worlds)
    func filter(_ world: (family: IPFamily, transport: TransportProtocol)) throws {
        let (family, transport) = world
        let namespace = try NetworkNamespace("conntrack")
        try namespace.inside { () throws(NetlinkError) in
            try ConntrackFixture.make((1...10).map { Self.entry(family, transport, to: $0, 53) })
            try ConntrackFixture.make((1...10).map { Self.entry(family, transport, to: 1, UInt16(60 + $0)) })
            try ConntrackFixture.make((1...10).map { Self.entry(family, .tcp, to: $0, 53) })
            let one = Self.entry(family, transport, to: 1, 53).flow
            #expect(try ConntrackFixture.list(FlowFilter(family, transport)).examined == 20)
            // The kernel compares IPv6 addresses the wrong way round, and SCTP ports not at all.
            let (byAddress, byPort) = (family == .ipv4, transport == .udp)
            let toAddress = FlowFilter(family, transport, to: one.destination)
            #expect(try ConntrackFixture.list(toAddress).examined == (byAddress ? 11 : 20))
            #expect(try ConntrackFixture.list(toAddress).flows.count == 11)
            let toPort = FlowFilter(family, transport, port: 53)
            #expect(try ConntrackFixture.list(toPort).examined == (byPort ? 10 : 20))
            #expect(try ConntrackFixture.list(toPort).flows.count == 10)
            let exact = FlowFilter(family, transport, to: one.destination, port: 53)
            let handedOver = (byAddress ? 11 : 20) - (byPort ? 10 : 0)
            #expect(try ConntrackFixture.list(exact).examined == handedOver)
            #expect(try ConntrackFixture.list(exact).flows == [one])
            let back = FlowFilter(
                family, transport, to: IPAddress(stringLiteral: family == .ipv4 ? "10.0.0.200" : "fd00::200"),
                port: 1000, isReversed: true)
            #expect(try ConntrackFixture.list(back).flows.count == 20)
            var nobody = back
            nobody.port = 1001
            #expect(try ConntrackFixture.list(nobody).examined == (byPort ? 0 : 20))
            let unasked = try ConntrackFixture.list(exact, asksForFilter: false)
            #expect(unasked.flows == [one])
            #expect(unasked.examined == 30)
        }
    }

    @Test("an entry that takes the place of a stale one between look and deletion stays")
    func replaced() throws {
        let namespace = try NetworkNamespace("conntrack")
        try namespace.inside { () throws(NetlinkError) in
            let old = Self.entry(.ipv4, .udp, to: 1, 53, target: 11)
            let new = Self.entry(.ipv4, .udp, to: 1, 53, target: 12)
            try ConntrackFixture.make([old])
            let (looker, other) = (try ConntrackKernel(), try ConntrackKernel())
            let filter = FlowFilter(.ipv4, .udp)
            var failure: NetlinkError?
            let removal = try looker.remove(filter) { flow in
                guard flow == old.flow else { return false }
                do throws(NetlinkError) {
                    _ = try other.remove(filter) { _ in true }
                    try ConntrackFixture.make([new])
                } catch {
                    failure = error
                }
                return true
            }
            #expect(failure == nil)
            #expect(
                removal
                    == {
                        var nothing = FlowRemoval(); nothing.examined = 1; return nothing
                    }())
            #expect(try ConntrackFixture.list(filter).flows == [new.flow])
        }
    }

    @Test("thousands of stale entries go in few sends, all of them")
    func many() throws {
        let namespace = try NetworkNamespace("conntrack")
        try namespace.inside { () throws(NetlinkError) in
            try ConntrackFixture.make(
                (0..<3000).map { Self.entry(.ipv6, .udp, to: 1, 53, target: 11, from: UInt16(1000 + $0)) })
            let removal = try ConntrackKernel().remove(FlowFilter(.ipv6, .udp)) { _ in true }
            #expect(removal.deleted == 3000)
            #expect(try ConntrackFixture.list(FlowFilter(.ipv6, .udp)).flows.isEmpty)
        }
    }
}
