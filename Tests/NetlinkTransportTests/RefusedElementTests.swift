import DataplaneTestKit
import FairleadTestKit
import KubernetesModel
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

/// The real kernel with a set that takes no more than some elements: what goes beyond it refuses.
private final class NarrowKernel: DataplaneKernel {
    private let kernel: NftablesKernel
    private let set: String
    private let size: UInt32

    init(_ kernel: NftablesKernel, set: String, size: UInt32) {
        (self.kernel, self.set, self.size) = (kernel, set, size)
    }

    func generation() throws(NetlinkError) -> UInt32 { try kernel.generation() }

    func ownership(ofTable name: String) throws(NetlinkError) -> [IPFamily: TableOwnership] {
        try kernel.ownership(ofTable: name)
    }

    func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(NetlinkError) -> Observation {
        try kernel.observe(tableName: tableName, guesses: guesses) { names in
            schemas(names).map { schema in
                var schema = schema
                for index in schema.sets.indices { schema.sets[index] = narrow(schema.sets[index]) }
                return schema
            }
        }
    }

    func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(NetlinkError) {
        var transaction = transaction
        for index in transaction.steps.indices {
            if case .addSet(let set) = transaction.steps[index].operation {
                transaction.steps[index].operation = .addSet(narrow(set))
            }
        }
        try kernel.commit(transaction, expecting: generation)
    }

    private func narrow(_ set: SetDeclaration) -> SetDeclaration {
        var set = set
        if set.name == self.set { set.size = size }
        return set
    }

    func elements(of set: SetDeclaration, in schema: TableSchema) throws(NetlinkError) -> ObservedElements {
        try kernel.elements(of: set, in: schema)
    }

    func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(NetlinkError) -> [ElementKey: ObservedElement] { try kernel.elements(of: set, in: schema, keys: keys) }

    func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(NetlinkError) -> Int { try kernel.discard(elements, in: schema, expecting: generation) }

    func check(_ transaction: Transaction) throws(NetlinkError) { try kernel.check(transaction) }
}

@Suite("Elements that the kernel refuses", .enabled(if: Capability.runsNetworkSuites, "no namespaces"))
struct RefusedElementTests {
    private static func objects(_ numbers: some Sequence<Int>) -> [ClusterChange] {
        numbers.flatMap { number -> [ClusterChange] in
            var service = Service(key: Scene.key("s\(number)"))
            service.creationTimestamp = "2026-01-01T00:00:\(10 + number)Z"
            service.clusterIPs = Scene.families.map { Scene.address($0, 0, number) }
            service.ports = [ServicePort(port: 80)]
            var slice = EndpointSlice(
                key: Scene.key("s\(number)-1"), serviceName: "s\(number)", addressFamily: .ipv4)
            slice.ports = [EndpointPort(port: 8080)]
            slice.endpoints = [Endpoint(address: Scene.address(.ipv4, 1, number), nodeName: "there")]
            return [.applied(.service(service)), .applied(.endpointSlice(slice))]
        }
    }

    private static let options = Tables.options

    private func desired() -> DesiredState {
        DesiredState(
            options: Self.options, settings: NodeSettings(nodeName: "here", nodePortAddresses: .all),
            host: HostFacts(addresses: [Scene.address(.ipv4, 9, 1)]))
    }

    @Test("a full set keeps out the Services that do not fit any more, and lets them in when there is room")
    func fullSet() async throws {
        let bench = try KernelBench()
        let kernel = NarrowKernel(bench.kernel, set: "services-1", size: 7)
        let reconciler = Reconciler(kernel: kernel, desired: desired())
        reconciler.load(Self.objects(1...10))
        _ = try reconciler.synchronize()
        let nft = NFT(bench.namespace)
        let refused = reconciler.desired.refused.keys.sorted()
        #expect(refused.count == 3)
        #expect(try await nft.list(["set", "ip", "fairlead", "services-1"]).split(separator: "default/s").count == 8)
        let findings = reconciler.takeNewFindings().filter { $0.code == "refused-by-kernel" }
        #expect(findings.compactMap { $0.subject?.key } == refused)
        #expect(
            findings.allSatisfy {
                $0.message.hasPrefix("the kernel refused table ip fairlead, set services-1, element 10.0.0.")
                    && $0.message.contains(" . tcp . 80: Too many open files in system")
            }, "\(findings)")
        // Nothing of a Service that is left out is there.
        let text = try await nft.listTable("ip fairlead")
        for key in refused { #expect(!text.contains("\(key)\"")) }
        #expect(try Reconciler(kernel: kernel, desired: reconciler.desired).plan().isEmpty)
        // A change of another Service is not held up.
        _ = try reconciler.apply(Self.objects([3]))
        #expect(reconciler.isSynchronized)
        let served = try #require((1...10).first { number in !refused.contains(Scene.key("s\(number)")) })
        _ = try reconciler.apply([.deleted(ObjectID(kind: .service, key: Scene.key("s\(served)")))])
        _ = try #require(try reconciler.retryRefused())
        #expect(reconciler.desired.refused.count == 2)
        #expect(try await nft.list(["set", "ip", "fairlead", "services-1"]).split(separator: "default/s").count == 8)
    }

    @Test("each message of a batch tells of its own element")
    func each() throws {
        let bench = try KernelBench()
        let sets = (0..<3).map {
            SetDeclaration(SetID(UInt16($0)), "s\($0)", key: Tables.services.key, size: 2)
        }
        try bench.load([
            TableState(schema: TableSchema(family: .ipv4, name: "fairlead", sets: sets, chains: []))
        ])
        var transaction = Transaction(tableName: "fairlead")
        for set in sets { transaction.append(.ipv4, .addElements(set, (1...4).map { Tables.frontend($0) })) }
        var refused: [RefusedElement] = []
        var code: Int32?
        do throws(NetlinkError) { try bench.kernel.commit(transaction, expecting: nil) } catch {
            (refused, code) = (error.refusedElements, error.code)
        }
        #expect(code == 23)
        #expect(refused.map(\.set) == ["s0", "s1", "s2"])
        #expect(refused.allSatisfy { $0.key == Tables.frontend(3).key })
        // A fault that is no element's is told instead.
        transaction.append(.ipv4, .deleteSet(name: "none"))
        var other: NetlinkError?
        do throws(NetlinkError) { try bench.kernel.commit(transaction, expecting: nil) } catch { other = error }
        #expect(other?.refusedElements.isEmpty == true)
        #expect(other?.description == "table ip fairlead, set none: No such file or directory")
    }
}
