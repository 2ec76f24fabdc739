import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

@Suite("Services that become invalid, and valid again")
struct HeldCostTests {
    private static func objects(affine: Bool = true) -> [ClusterObject] {
        (1...20).flatMap { number -> [ClusterObject] in
            var objects = [
                Objects.service("s\(number)", clusterIP: number),
                // Neighbours share endpoints.
                Objects.slice("s\(number)", [number, number + 1, number + 2], node: "here"),
            ]
            if affine, number % 2 == 0, case .service(var service) = objects[0] {
                service.sessionAffinity = .clientIP(timeoutSeconds: 60 + number)
                objects[0] = .service(service)
            }
            return objects
        }
    }

    /// What the Service with the number becomes.
    private static let mendings: [String] = ["the same", "other endpoints", "no affinity", "gone", "another address"]

    private static func mended(_ mending: String, _ number: Int) -> [ClusterChange] {
        let service = Objects.service("s\(number)", clusterIP: number)
        switch mending {
        case "the same": return []
        case "other endpoints":
            return [.applied(Objects.slice("s\(number)", [number + 1, 77], node: "here"))]
        case "no affinity": return [.applied(service)]
        case "gone": return [.deleted(service.id)]
        default: return [.applied(Objects.service("s\(number)", clusterIP: 99))]
        }
    }

    @Test(
        "a Service that becomes invalid and valid again costs its own elements: the tables are not read again",
        arguments: mendings, [2, 3])
    func cost(_ mending: String, _ number: Int) throws {
        let objects = Self.objects()
        let first = try Bench(synchronized: objects)
        // A process that has never seen the object valid: what the kernel has of it stays.
        let bench = Bench(first.kernel)
        let key = Scene.key("s\(number)")
        _ = bench.reconciler.hold([key])
        bench.reconciler.load(objects.filter { $0.id.key != key }.map { .applied($0) })
        #expect(try bench.reconciler.synchronize().transactions == 0)
        let observations = first.kernel.observations
        // A neighbour shares endpoints with it, and changes meanwhile.
        _ = try bench.reconciler.apply([.applied(Objects.slice("s\(number + 1)", [number + 2], node: "here"))])
        first.kernel.forgetCommits()
        _ = bench.reconciler.hold([])
        let own = objects.first { $0.id.key == key }.map { [ClusterChange.applied($0)] } ?? []
        let report = try bench.reconciler.apply(own + Self.mended(mending, number))
        #expect(first.kernel.observations == observations, "the tables were read")
        #expect(report.counts.added + report.counts.removed <= 40)
        if mending == "the same" { #expect(report.counts.isEmpty) }
        #expect(bench.differences() == [])
        // And once more, now that it has been valid: nothing but itself.
        _ = bench.reconciler.hold([key])
        #expect(try bench.reconciler.apply([]).counts.isEmpty)
        _ = bench.reconciler.hold([])
        _ = try bench.reconciler.apply([.applied(Objects.service("s\(number)", clusterIP: 98))])
        #expect(first.kernel.observations == observations)
        #expect(bench.differences() == [])
    }

    @Test("Services that share endpoints and are held together are taken back one by one")
    func neighbours() throws {
        let objects = Self.objects()
        let first = try Bench(synchronized: objects)
        let clean = first.kernel.ruleset
        let bench = Bench(first.kernel)
        let keys = [4, 5, 6].map { Scene.key("s\($0)") }
        _ = bench.reconciler.hold(Set(keys))
        bench.reconciler.load(objects.filter { !keys.contains($0.id.key) }.map { .applied($0) })
        _ = try bench.reconciler.synchronize()
        for (index, key) in keys.enumerated() {
            _ = bench.reconciler.hold(Set(keys[(index + 1)...]))
            let object = try #require(objects.first { $0.id.key == key })
            #expect(try bench.reconciler.apply([.applied(object)]).counts.isEmpty)
            #expect(first.kernel.ruleset == clean)
        }
        #expect(bench.differences() == [])
        for key in keys.reversed() { _ = try bench.reconciler.apply([.deleted(ObjectID(kind: .service, key: key))]) }
        #expect(bench.differences() == [])
        #expect(first.kernel.observations == 2)
    }
}
