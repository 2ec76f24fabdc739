import CLinux
import FairleadTestKit
import Netfilter
import NetworkTypes

@testable import NetlinkTransport

/// Makes and lists conntrack entries, in the network namespace of the calling thread.
struct ConntrackFixture {
    /// An entry as it is made.
    struct Entry {
        var flow: TrackedFlow
    }

    /// Makes entries. Throws the kernel's first complaint.
    static func make(_ entries: some Sequence<Entry>) throws(NetlinkError) {
        let socket = try NetlinkSocket(netlinkProtocol: 12)
        socket.reserveReceive(bytes: 4 << 20)
        var writer = MessageWriter(capacity: 1 << 16)
        var count = 0
        for entry in entries {
            write(entry, to: &writer)
            count += 1
            if count % 256 == 0 { try send(&writer, socket) }
        }
        try send(&writer, socket)
    }

    private static func send(_ writer: inout MessageWriter, _ socket: borrowing NetlinkSocket) throws(NetlinkError) {
        guard writer.count > 0 else { return }
        try socket.send(writer.bytes)
        writer.removeAll()
        try withBuffer { (buffer: UnsafeMutableRawBufferPointer) throws(NetlinkError) in
            while let count = try socket.receive(into: buffer, milliseconds: 0) {
                for message in MessageSequence(UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
                    let report = ErrorReport(message)
                    if report.code != 0 { throw .refused(object: "entry", errno: report.code, detail: report.text) }
                }
            }
        }
    }

    private static func withBuffer(
        _ body: (UnsafeMutableRawBufferPointer) throws(NetlinkError) -> Void
    ) throws(NetlinkError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
        defer { buffer.deallocate() }
        try body(buffer)
    }

    private static func write(_ entry: Entry, to writer: inout MessageWriter) {
        let flow = entry.flow
        let family = flow.destination.family
        let flags = NetlinkFlag.request | NetlinkFlag.create
        let start = writer.beginMessage(
            type: ConntrackMessage.new, flags: flags, sequence: 1, family: family.netfilterNumber)
        let source = HostPort(flow.source, flow.sourcePort)
        let sent = (source, HostPort(flow.destination, flow.port))
        let answered = (HostPort(flow.target, flow.targetPort), source)
        for (attribute, ends) in [(ConntrackAttribute.original, sent), (ConntrackAttribute.reply, answered)] {
            let tuple = writer.beginNest(attribute)
            let addresses = writer.beginNest(ConntrackAttribute.tupleIP)
            writer.put(ConntrackAttribute.source(family), ends.0.address)
            writer.put(ConntrackAttribute.destination(family), ends.1.address)
            writer.endNest(addresses)
            let transport = writer.beginNest(ConntrackAttribute.tupleTransport)
            writer.header(ConntrackAttribute.transportNumber, payload: 1)
                .storeBytes(of: flow.transport.rawValue, as: UInt8.self)
            writer.put(ConntrackAttribute.sourcePort, port: ends.0.port)
            writer.put(ConntrackAttribute.destinationPort, port: ends.1.port)
            writer.endNest(transport)
            writer.endNest(tuple)
        }
        if flow.zone != 0 { writer.put(ConntrackAttribute.zone, port: flow.zone) }
        if flow.transport != .udp { writeState(flow.transport, to: &writer) }
        writer.put(ConntrackAttribute.timeout, 3600)
        writer.endMessage(start)
    }

    /// CTA_PROTOINFO: established (TCP: state 3; SCTP: state 4 and both verification tags).
    private static func writeState(_ transport: TransportProtocol, to writer: inout MessageWriter) {
        let information = writer.beginNest(4)
        let nest = writer.beginNest(transport == .tcp ? 1 : 3)
        writer.header(1, payload: 1).storeBytes(of: transport == .tcp ? 3 : 4, as: UInt8.self)
        if transport == .sctp {
            writer.put(2, 1)
            writer.put(3, 2)
        }
        writer.endNest(nest)
        writer.endNest(information)
    }

    /// Every entry of the family and protocol, and how many the kernel handed over for the filter.
    static func list(
        _ filter: FlowFilter, asksForFilter: Bool = true
    ) throws(NetlinkError) -> (flows: Set<TrackedFlow>, examined: Int) {
        var flows: Set<TrackedFlow> = []
        let kernel = try ConntrackKernel(asksForFilter: asksForFilter)
        let removal = try kernel.remove(filter) { flow in
            flows.insert(flow)
            return false
        }
        return (flows, removal.examined)
    }
}

extension NetworkNamespace {
    /// Runs a closure in the namespace that throws what the kernel complains of.
    func inside<Result>(_ body: () throws(NetlinkError) -> Result) throws -> Result {
        try run { () throws(TestKitError) in
            Swift.Result { () throws(NetlinkError) in try body() }
        }.get()
    }
}
