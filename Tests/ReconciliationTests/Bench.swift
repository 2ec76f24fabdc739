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
            host: HostFacts(addresses: host))
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
        let timeouts = Dataplane.timeouts(providedBy: [Set(wanted.chains.keys)], and: [])
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
