import FairleadTestKit
import Netfilter
import NetworkTypes

@testable import NetlinkTransport

/// Datagrams as the kernel sends them: of every kind that Fairlead reads, from a namespace with tables, flows and addresses.
struct KernelReplies {
    /// One datagram each.
    var tables: [[UInt8]] = []
    var rules: [[UInt8]] = []
    var elements: [[UInt8]] = []
    var errors: [[UInt8]] = []
    var flows: [[UInt8]] = []
    var links: [[UInt8]] = []

    /// All of them.
    var all: [[UInt8]] { tables + rules + elements + errors + flows + links }

    init() throws {
        let bench = try KernelBench()
        let states = Tables.random(seed: 3, count: 6)
        try bench.load(states)
        let sets = states.flatMap { state in state.schema.sets.map { (state.schema.family, $0.name) } }
        let result: Result<KernelReplies, NetlinkError> = try bench.namespace.run {
            do throws(NetlinkError) { return .success(try KernelReplies(sets: sets)) } catch { return .failure(error) }
        }
        self = try result.get()
    }

    /// Asks in the network namespace of the calling thread.
    private init(sets: [(IPFamily, String)]) throws(NetlinkError) {
        let nftables = try NetlinkSocket(netlinkProtocol: 12)
        let route = try NetlinkSocket(netlinkProtocol: RouteMessage.netlinkProtocol)
        let dump = NetlinkFlag.request | NetlinkFlag.dump
        for type in [NFTMessage.getTable, NFTMessage.getChain, NFTMessage.getSet] {
            tables += try Self.ask(nftables, NFTMessage.subsystem | type, dump)
        }
        rules = try Self.ask(nftables, NFTMessage.subsystem | NFTMessage.getRule, dump)
        for (family, set) in sets {
            let type = NFTMessage.subsystem | NFTMessage.getElement
            elements += try Self.ask(nftables, type, dump, family: family.netfilterNumber) {
                $0.put(ElementAttribute.listTable, "fairlead")
                $0.put(ElementAttribute.listSet, set)
            }
        }
        for name in ["no-such-table", String(repeating: "long", count: 400)] {
            errors += try Self.ask(nftables, NFTMessage.subsystem | NFTMessage.getTable, NetlinkFlag.request) {
                $0.put(1, name)
            }
        }
        try ConntrackFixture.make(IPFamily.allCases.flatMap { Self.entries($0) })
        flows = try Self.ask(nftables, ConntrackMessage.get, dump)
        links = try Self.ask(route, RouteMessage.getLink, dump) + Self.ask(route, RouteMessage.getAddress, dump)
    }

    private static func entries(_ family: IPFamily) -> [ConntrackFixture.Entry] {
        let ends: (IPAddress, IPAddress, IPAddress) =
            family == .ipv4 ? ("10.0.0.1", "10.96.0.1", "10.0.0.2") : ("fd00::1", "fd00:96::1", "fd00::2")
        return [.udp, .sctp].map {
            ConntrackFixture.Entry(
                flow: TrackedFlow($0, from: ends.0, 4000, to: ends.1, 53, target: ends.2, 5353, zone: 0))
        }
    }

    /// The datagrams of an answer.
    private static func ask(
        _ socket: borrowing NetlinkSocket, _ type: UInt16, _ flags: UInt16, family: UInt8 = 0,
        _ body: (inout MessageWriter) -> Void = { _ in }
    ) throws(NetlinkError) -> [[UInt8]] {
        var writer = MessageWriter(capacity: 4096)
        let start = writer.beginMessage(type: type, flags: flags, sequence: 1, family: family)
        body(&writer)
        writer.endMessage(start)
        try socket.send(writer.bytes)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
        defer { buffer.deallocate() }
        var datagrams: [[UInt8]] = []
        while let count = try socket.receive(into: buffer, milliseconds: 5000) {
            let datagram = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            datagrams.append(Array(datagram))
            let isLast = MessageSequence(datagram).contains {
                $0.type == NetlinkControl.done || $0.type == NetlinkControl.error
            }
            if isLast { return datagrams }
        }
        throw .system(operation: "ask for replies", errno: ErrorNumber.timedOut)
    }
}
