import KubernetesModel
import NetworkTypes
import Observability
import ServicePolicy
import Testing

@Suite("The status board")
struct StatusBoardTests {
    private static func check(_ port: UInt16, _ endpoints: [IPFamily: Int]) -> HealthCheck {
        HealthCheck(key: ObjectKey(namespace: "default", name: "web"), port: port, localEndpoints: endpoints)
    }

    @Test("Other answers need no other servers; other ports, families and addresses do")
    func servers() {
        let board = StatusBoard(version: "test")
        let node = HealthCheckAddresses.these([.v4(IPv4Address(rawValue: 0xAC1E_000A))])
        #expect(board.setHealthChecks([30500: Self.check(30500, [.ipv4: 1])], addresses: .all))
        #expect(board.healthCheckServers.count == 1)
        #expect(!board.setHealthChecks([30500: Self.check(30500, [.ipv4: 2])], addresses: .all))
        #expect(board.current.checks[30500]?.localEndpoints == [.ipv4: 2])
        #expect(!board.setHealthChecks([:], addresses: .all))
        #expect(board.setHealthChecks([30500: Self.check(30500, [.ipv4: 2, .ipv6: 0])], addresses: .all))
        #expect(board.healthCheckServers.count == 2)
        #expect(board.setHealthChecks([:], addresses: node))
        #expect(board.healthCheckServers.count == 1)
        #expect(board.setHealthChecks([30501: Self.check(30501, [.ipv4: 0])], addresses: node))
        #expect(board.setHealthChecks([30500: nil as HealthCheck?], addresses: node))
        #expect(board.current.checks.keys.sorted() == [30501])
    }
}
