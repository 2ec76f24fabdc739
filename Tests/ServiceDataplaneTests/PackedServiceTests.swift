import DataplaneTestKit
import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@testable import ServiceDataplane

@Suite("Packed records")
struct PackedServiceTests {
    @Test("What is packed comes out as it was", arguments: UInt64(1)...20)
    func roundTrip(seed: UInt64) {
        var services = RandomServices(seed: seed, count: 20, mostEndpoints: 12)
        var packed = 0
        for key in services.keys {
            var service = services.service(key)
            for index in service.ports.indices { services.alter(&service.ports[index]) }
            let record = Dataplane.Record(resolved: service)
            guard let small = PackedService(record) else { continue }
            packed += 1
            #expect(small.key == key && small.record.resolved == service)
            #expect(small.record.lost.isEmpty && small.record.pools.isEmpty && small.record.direct.isEmpty)
        }
        #expect(packed > 10)
    }

    private static let usual: ResolvedServicePort = {
        var port = ResolvedServicePort(name: "http", transport: .tcp, family: .ipv4)
        port.frontends = [Frontend(kind: .clusterIP, address: Scene.address(.ipv4, 0, 1), port: 80)]
        port.usable = Scene.backends(.ipv4, [1, 2])
        port.clusterPool = port.usable
        return port
    }()

    /// Changes of the usual port that no packed record can have.
    private static let oddities: [@Sendable (inout ResolvedServicePort) -> Void] = [
        { $0.affinityTimeout = 1 }, { $0.sourceRanges = [] }, { $0.name = "a-name-of-16-byt" },
        { $0.directReturn = DirectReturn(members: [], keepsLocal: false) },
        { $0.usable = Scene.backends(.ipv4, Array(1...65)) }, { $0.flowTargets = Scene.backends(.ipv6, [1]) },
        { $0.hairpinAddresses = [Scene.address(.ipv6, 0, 1)] }, { $0.localPool = Scene.backends(.ipv6, [1]) },
        { $0.frontends.append(Frontend(kind: .externalIP, address: Scene.address(.ipv6, 0, 1), port: 80)) },
    ]

    @Test("What does not fit stays as it is", arguments: oddities.indices)
    func oddity(index: Int) {
        var port = Self.usual
        #expect(PackedService(Dataplane.Record(resolved: service(port))) != nil)
        Self.oddities[index](&port)
        #expect(PackedService(Dataplane.Record(resolved: service(port))) == nil)
    }

    private func service(_ port: ResolvedServicePort) -> ResolvedService {
        ResolvedService(key: ObjectKey(namespace: "a", name: "b"), ports: [port])
    }

    @Test("A record with more than a resolved Service stays as it is")
    func records() {
        let plain = Dataplane.Record(resolved: service(Self.usual))
        var lost = plain
        lost.lost = [Claim(address: nil, port: 1, .tcp, .ipv4)]
        var affine = plain
        affine.pools = [PoolNumbers()]
        #expect(PackedService(plain) != nil && PackedService(lost) == nil && PackedService(affine) == nil)
    }

    @Test("A table of records gives back what was put in, packed or not")
    func table() {
        var table = RecordTable()
        let record = Dataplane.Record(resolved: service(Self.usual))
        let key = record.resolved.key
        table[key] = record
        table.pack(key)
        #expect(table[key]?.resolved == record.resolved && table.count == 1)
        #expect(table.values.map(\.resolved) == [record.resolved])
        table[key]?.lost = [Claim(address: nil, port: 1, .tcp, .ipv4)]
        table.pack(key)
        #expect(table[key]?.lost.count == 1)
        #expect(table.removeValue(forKey: key)?.resolved == record.resolved)
        #expect(table[key] == nil && table.count == 0)
    }
}

extension RandomServices {
    /// Gives a port values that only some have.
    fileprivate mutating func alter(_ port: inout ResolvedServicePort) {
        port.name = String("a-name-of-many-letters".prefix(Int.random(in: 0...15, using: &random)))
        port.prefersLocal = random.oneIn(2)
        port.noEndpointAction = Service.NoEndpointAction.allCases.randomElement(using: &random) ?? .reject
        port.localUsable = random.oneIn(2) ? port.usable : Array(port.usable.dropFirst())
        if random.oneIn(3) { port.flowTargets = random.oneIn(2) ? port.usable : Array(port.usable.dropLast()) }
    }
}
