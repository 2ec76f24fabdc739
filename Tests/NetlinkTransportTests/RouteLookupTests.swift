import FairleadTestKit
import NetworkTypes
import Testing

@testable import NetlinkTransport

@Suite("Routes are looked up", .enabled(if: Capability.runsNetworkSuites, "needs network namespaces"))
struct RouteLookupTests {
    @Test("a route of its own is told from the default route, from none and from an own address")
    func kinds() async throws {
        let namespace = try NetworkNamespace("routes")
        let commands = """
            ip link set lo up
            ip link add eth0 type veth peer name other
            ip link set other up
            ip link set eth0 up
            ip address add 172.30.0.11/24 dev eth0
            ip address add fd00:30::11/64 dev eth0 nodad
            ip route add 10.1.0.0/24 dev eth0
            ip route add unreachable 10.2.0.0/24
            ip route add blackhole 10.3.0.0/24
            ip route add prohibit 10.4.0.0/24
            ip route add fd01::/64 dev eth0
            ip -6 route add unreachable fd02::/64
            """
        try await namespace.execute(Program("sh", ["-ec", commands])).requireSuccess()
        func kinds(_ addresses: [IPAddress]) async throws -> [RouteKind] {
            try await namespace.perform { () throws(TestKitError) in
                do throws(NetlinkError) {
                    let lookup = try RouteLookup()
                    var result: [RouteKind] = []
                    for address in addresses { result.append(try lookup.route(to: address)) }
                    return result
                } catch { throw .conversation("\(error)") }
            }
        }
        let addresses: [IPAddress] = [
            "10.1.0.5", "10.2.0.5", "10.3.0.5", "10.4.0.5", "192.0.2.1", "172.30.0.11", "fd01::5", "fd02::5",
            "2001:db8::1",
            "fd00:30::11",
        ]
        #expect(
            try await kinds(addresses) == [
                .specific, .none, .none, .none, .none, .own, .specific, .none, .none, .own,
            ])
        let defaults = "ip route add default via 172.30.0.1; ip -6 route add default via fd00:30::1"
        try await namespace.execute(Program("sh", ["-ec", defaults])).requireSuccess()
        #expect(
            try await kinds(addresses) == [
                .specific, .none, .none, .none, .defaultRoute, .own, .specific, .none, .defaultRoute, .own,
            ])
    }
}
