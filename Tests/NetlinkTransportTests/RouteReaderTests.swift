import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

@testable import NetlinkTransport

/// The one reader of links, addresses and routes.
@Suite struct RouteReaderTests {
    /// A message of the kernel's: header and body.
    private static func message(_ type: UInt16, flags: UInt16 = 0, sequence: UInt32 = 7, code: Int32 = 0) -> [UInt8] {
        func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
        return bytes(UInt32(20)) + bytes(type) + bytes(flags) + bytes(sequence) + bytes(UInt32(0)) + bytes(code)
    }

    /// Takes datagrams until the answer is complete. Returns how many messages were handed over; nil if more would have to come.
    private static func take(_ datagrams: [[UInt8]], isSingle: Bool = false) -> Result<Int?, NetlinkError> {
        var reply = RouteReply(to: 7, isSingle: isSingle, operation: "list")
        var count = 0
        do throws(NetlinkError) {
            for datagram in datagrams {
                let taken = datagram.withUnsafeBytes { bytes -> Result<Bool, NetlinkError> in
                    do throws(NetlinkError) { return .success(try reply.take(bytes) { _ in count += 1 }) } catch {
                        return .failure(error)
                    }
                }
                if try taken.get() { return .success(count) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    @Test("a dump ends with its last message, and what answers another request is not of it")
    func ends() {
        let link = Self.message(RouteMessage.newLink)
        let foreign = Self.message(RouteMessage.newLink, sequence: 6)
        let end = Self.message(NetlinkControl.done)
        #expect(Self.take([link + link]) == .success(nil))
        #expect(Self.take([link + foreign, link, end]) == .success(2))
        #expect(Self.take([link + link], isSingle: true) == .success(1))
    }

    @Test("a dump that fails at its end, or that a change interrupts, is not whole")
    func failures() {
        let link = Self.message(RouteMessage.newLink)
        let failure = NetlinkError.system(operation: "list", errno: ENOMEM)
        #expect(Self.take([link, Self.message(NetlinkControl.done, code: -ENOMEM)]) == .failure(failure))
        #expect(Self.take([link, Self.message(NetlinkControl.error, code: -ENOMEM)]) == .failure(failure))
        let marked = Self.message(RouteMessage.newLink, flags: NetlinkFlag.dumpInterrupted)
        #expect(
            Self.take([marked, link, Self.message(NetlinkControl.done)])
                == .failure(.interrupted(operation: "list")))
    }

    @Test(
        "links, addresses and routes of a namespace with more of them than a datagram holds",
        .enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
    func namespace() throws {
        let namespace = try NetworkNamespace()
        try namespace.ip(["link add br0 type bridge", "link set br0 up", "address add 192.0.2.1/24 dev br0"])
        try namespace.ip((0..<60).map { "link add v\($0) type veth peer name w\($0)" })
        try namespace.ip(["link set v7 master br0", "link set v7 type bridge_slave hairpin on"])
        try namespace.ip((2..<200).map { "address add 192.0.2.\($0)/32 dev br0" })
        let found = try namespace.run { () throws(TestKitError) in
            do throws(NetlinkError) {
                let links = try HostLinksReading(HostLinks())
                return (links, try AddressDump().usableAddresses())
            } catch {
                throw .conversation("\(error)")
            }
        }
        let (reading, addresses) = found
        #expect(reading.links.count == 122)
        let bridge = try #require(reading.links.first { $0.name == "br0" })
        #expect(bridge.isBridge)
        #expect(reading.links.first { $0.name == "v7" }?.bridge == bridge.index)
        #expect(reading.links.first { $0.name == "v7" }?.isHairpin == true)
        #expect(reading.route == HostLinks.Route(link: bridge.index, isOwn: false))
        #expect(reading.hasNoRoute)
        #expect(addresses.filter { $0.family == .ipv4 && !$0.isLoopback }.count == 199)
    }
}

/// What `HostLinks` tells, to be handed out of a namespace.
private struct HostLinksReading: Sendable {
    let links: [HostLink]
    let route: HostLinks.Route?
    let hasNoRoute: Bool

    init(_ host: HostLinks) throws(NetlinkError) {
        links = Array(try host.links().values)
        route = host.route(to: "192.0.2.250")
        hasNoRoute = host.route(to: "198.51.100.1") == nil
    }
}
