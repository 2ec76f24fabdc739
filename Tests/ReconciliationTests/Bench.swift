import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

/// A reconciler, its kernel, and short ways to change what either of them knows.
struct Bench {
    let kernel: SimulatedKernel
    let reconciler: Reconciler<SimulatedKernel>

    static let options: DataplaneOptions = {
        var options = DataplaneOptions()
        options.localDetector = .clusterCIDRs(["10.0.0.0/16", "fd00::/64"].compactMap { CIDR($0) })
        return options
    }()

    static func desired(host: [IPAddress] = [Scene.address(.ipv4, 9, 1)]) -> DesiredState {
        DesiredState(
            options: options, settings: NodeSettings(nodeName: "here", nodePortAddresses: .all),
            host: HostFacts(addresses: { host }, outgoing: { _ in nil }))
    }

    init(_ kernel: SimulatedKernel = SimulatedKernel(), desired: DesiredState = Self.desired()) {
        self.kernel = kernel
        reconciler = Reconciler(kernel: kernel, desired: desired)
    }

    /// A bench whose kernel holds the objects.
    init(synchronized objects: [ClusterObject]) throws {
        self.init()
        reconciler.load(objects.map { .applied($0) })
        _ = try reconciler.synchronize()
        kernel.forgetCommits()
    }

    /// What differs between the kernel and a computation from nothing; empty if nothing does.
    func differences() -> [String] {
        var desired = reconciler.desired
        var fresh = SimulatedRuleset()
        for table in desired.tables() {
            var expected = SimulatedTable()
            for set in table.schema.sets {
                expected.sets[set.name] = SimulatedSet(set)
                for element in table.elements[set.id] ?? [] {
                    expected.sets[set.name]?.elements[element.key] = element
                }
            }
            for chain in table.schema.chains { expected.chains[chain.name] = chain }
            fresh[table.schema.family] = expected
        }
        return IPFamily.allCases.flatMap { Self.differences(kernel.ruleset[$0], fresh[$0], $0) }
    }

    /// Larger size classes than are needed now are no difference.
    private static func differences(
        _ found: SimulatedTable, _ wanted: SimulatedTable, _ family: IPFamily
    ) -> [String] {
        let exponent = Dataplane.largestExponent(providedBy: [Set(found.sets.keys)])
        let timeouts = Dataplane.timeouts(providedBy: [Set(wanted.sets.keys)], and: [])
        let schema = TableSchema(family: family, options: options, largestExponent: exponent, timeouts: timeouts)
        var result = TableComparison.difference(found, wanted, family)
        result += TableComparison.badPools(found, family).map { "pools of \($0)" }
        if !areAlike(found.sets.values.map(\.declaration), schema.sets) { result.append("declarations") }
        if Set(found.chains.values) != Set(schema.chains) { result.append("chains") }
        return result
    }

    private static func areAlike(_ left: [SetDeclaration], _ right: [SetDeclaration]) -> Bool {
        left.count == right.count && left.allSatisfy { set in right.contains { $0.isDeclared(as: set) } }
    }

    /// What a process that starts now would do to the kernel; `fairlead diff` prints it.
    func plan() throws -> [Transaction] { try Reconciler(kernel: kernel, desired: reconciler.desired).plan() }
}

/// Objects of the API, by hand and by chance.
enum Objects {
    static func service(_ name: String, created: String = "", clusterIP: Int = 1) -> ClusterObject {
        var service = Service(key: Scene.key(name))
        service.creationTimestamp = created
        service.clusterIPs = Scene.families.map { Scene.address($0, 0, clusterIP) }
        service.ports = [ServicePort(port: 80)]
        return .service(service)
    }

    static func slice(_ name: String, _ numbers: some Sequence<Int>, node: String = "there") -> ClusterObject {
        var slice = EndpointSlice(key: Scene.key("\(name)-1"), serviceName: name, addressFamily: .ipv4)
        slice.ports = [EndpointPort(port: 8080)]
        slice.endpoints = numbers.map { Endpoint(address: Scene.address(.ipv4, 1, $0), nodeName: node) }
        return .endpointSlice(slice)
    }

    static func node(_ zone: String?) -> ClusterObject {
        var node = Node(name: "here")
        node.zone = zone
        return .node(node)
    }

    static func delete(_ object: ClusterObject) -> ClusterChange { .deleted(object.id) }

    /// Some Services with endpoints: frontends of every kind, in both families.
    static func cluster(_ random: inout SeededGenerator, count: Int = 12) -> [ClusterObject] {
        (0..<count).flatMap { number in
            [randomService(number, &random)] + (0..<2).map { randomSlice(number, $0, &random) }
        }
    }

    /// Few, so that several Services share one; the last one is more than the API allows.
    private static let timeouts = [10_800, 60, 77, 86_400, 100_000]

    static func randomService(_ number: Int, _ random: inout SeededGenerator) -> ClusterObject {
        var service = Service(key: Scene.key("s\(number)"))
        service.creationTimestamp = "\(Int.random(in: 1...3, using: &random))"
        service.type = [.clusterIP, .nodePort, .loadBalancer][Int.random(in: 0..<3, using: &random)]
        service.clusterIPs = Scene.families.filter { _ in !random.oneIn(4) }.map { Scene.address($0, 0, number + 1) }
        let external = Int.random(in: 1...3, using: &random)
        if random.oneIn(2) { service.externalIPs = Scene.families.map { Scene.address($0, 2, external) } }
        service.internalTrafficPolicy = random.oneIn(3) ? .local : .cluster
        service.externalTrafficPolicy = random.oneIn(2) ? .local : .cluster
        let nodePort = UInt16.random(in: 30000...30005, using: &random)
        service.ports = [ServicePort(port: 80, nodePort: random.oneIn(2) ? nodePort : 0)]
        service.isHeadless = random.oneIn(12)
        if random.oneIn(3), let seconds = timeouts.randomElement(using: &random) {
            service.sessionAffinity = .clientIP(timeoutSeconds: seconds)
        }
        return .service(service)
    }

    static func randomSlice(_ service: Int, _ part: Int, _ random: inout SeededGenerator) -> ClusterObject {
        let family = Scene.families[part]
        var slice = EndpointSlice(
            key: Scene.key("s\(service)-\(part)"), serviceName: "s\(service)", addressFamily: family)
        slice.ports = [EndpointPort(port: 8080)]
        let count = random.oneIn(5) ? Int.random(in: 0...80, using: &random) : Int.random(in: 0...6, using: &random)
        slice.endpoints = (1...100).shuffled(using: &random).prefix(count).map { number in
            var endpoint = Endpoint(
                address: Scene.address(family, 1, number), nodeName: random.oneIn(3) ? "here" : "there")
            endpoint.isReady = !random.oneIn(6)
            endpoint.isTerminating = random.oneIn(8)
            return endpoint
        }
        return .endpointSlice(slice)
    }
}
