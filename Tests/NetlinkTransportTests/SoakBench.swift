import DataplaneTestKit
import FairleadTestKit
import KubernetesModel
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane

/// One thing that happens to a node.
enum SoakStep: Sendable, CustomStringConvertible {
    /// Objects change.
    case change([ClusterChange])
    /// Objects change while calls to the kernel fail, by chance with this seed, and the process restarts.
    case faulty([ClusterChange], seed: UInt64)
    /// The process restarts.
    case restart
    /// Another program changes the tables.
    case foreign(Transaction)
    /// Another program commits to a table of its own.
    case neighbour

    var description: String {
        switch self {
        case .change(let changes): "change \(Self.text(changes))"
        case .faulty(let changes, let seed): "change with faults (seed \(seed)) \(Self.text(changes))"
        case .restart: "restart"
        case .foreign(let transaction): "foreign \(transaction.steps.map { "\($0.family) \($0.operation)" })"
        case .neighbour: "neighbour"
        }
    }

    private static func text(_ changes: [ClusterChange]) -> String {
        changes.map { change in
            switch change {
            case .applied(let object): "\(object)"
            case .deleted(let id): "deleted \(id)"
            case .retained: "retained"
            }
        }.joined(separator: ", ")
    }

    /// Steps by chance over a cluster of `services` Services.
    static func random(seed: UInt64, count: Int, services: Int = 12) -> [SoakStep] {
        var random = SeededGenerator(seed: seed)
        func changes() -> [ClusterChange] {
            (0..<Int.random(in: 1...4, using: &random)).map { _ in
                let number = Int.random(in: 0..<services, using: &random)
                let service = Objects.randomService(number, &random)
                let slice = Objects.randomSlice(number, Int.random(in: 0...1, using: &random), &random)
                return switch Int.random(in: 0..<10, using: &random) {
                case 0: .deleted(service.id)
                case 1: .deleted(slice.id)
                case 2: .applied(Objects.node(["a", "b", nil][Int.random(in: 0..<3, using: &random)]))
                case 3...5: .applied(service)
                default: .applied(slice)
                }
            }
        }
        return (0..<count).map { _ in
            switch Int.random(in: 0..<20, using: &random) {
            case 0: .restart
            case 1...2: .foreign(foreign(&random))
            case 3: .neighbour
            case 4...7: .faulty(changes(), seed: random.next())
            default: .change(changes())
            }
        }
    }

    private static func foreign(_ random: inout SeededGenerator) -> Transaction {
        let family = Scene.families[Int.random(in: 0...1, using: &random)]
        let schema = TableSchema(family: family, options: Tables.options)
        let chain = schema.chains[Int.random(in: 0..<schema.chains.count, using: &random)]
        let addresses = schema.sets.first { $0.id == .clusterIPs }
        var key = KeyBuilder()
        key.append(Scene.address(family, 77, Int.random(in: 1...200, using: &random)))
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return Transaction(family, .deleteTable)
        case 1: return Transaction(family, .flushChain(name: chain.name))
        case 2: return Transaction(family, .addChain(Chain("foreign", rules: [])))
        case 3: return Transaction(family, .addSet(Tables.services.with(name: "foreign")))
        default: return Transaction(family, addresses.map { .addElements($0, [Element(key.key)]) } ?? .deleteTable)
        }
    }
}

extension SetDeclaration {
    fileprivate func with(name: String) -> SetDeclaration {
        var copy = self
        copy.name = name
        return copy
    }
}

/// A node whose tables are in a real kernel, and what its process knows.
final class SoakBench {
    let bench: KernelBench
    let kernel: FaultyKernel<NftablesKernel>
    private let other: NftablesKernel
    private var objects: [ObjectID: ClusterObject] = [:]
    private var reconciler: Reconciler<FaultyKernel<NftablesKernel>>

    /// How often a call that failed is tried again: faults are rarer than that.
    private static let patience = 200

    init() throws {
        bench = try KernelBench()
        kernel = FaultyKernel(bench.kernel)
        other = try KernelBench.kernel(in: bench.namespace)
        reconciler = Reconciler(kernel: kernel, desired: Self.desired)
        _ = try reconciler.synchronize()
    }

    private static var desired: DesiredState {
        DesiredState(
            options: Tables.options, settings: NodeSettings(nodeName: "here", nodePortAddresses: .all),
            host: HostFacts(addresses: [Scene.address(.ipv4, 9, 1)]))
    }

    /// Does a step. Returns what is wrong afterwards; nil if nothing is.
    func perform(_ step: SoakStep) throws -> String? {
        switch step {
        case .change(let changes):
            note(changes)
            _ = try reconciler.apply(changes)
        case .faulty(let changes, let seed):
            note(changes)
            fail(seed: seed)
            if (try? reconciler.apply(changes)) == nil { try persist() }
            restart()
            try persist()
            (kernel.before, kernel.after) = ({ _ in nil }, { _ in nil })
        case .restart:
            restart()
            let report = try reconciler.synchronize()
            if !report.counts.isEmpty { return "a restart changed something: \(report.summary)" }
        case .foreign(let transaction):
            // What is there already is no change.
            _ = try? other.commit(transaction, expecting: nil)
            _ = try reconciler.verify()
        case .neighbour:
            var transaction = Transaction(tableName: "neighbour")
            transaction.append(.ipv4, .addTable(comment: nil))
            transaction.append(.ipv4, .addChain(Chain("c", rules: [[.accept]])))
            transaction.append(.ipv4, .deleteTable)
            try other.commit(transaction, expecting: nil)
            if let report = try reconciler.verify(), !report.counts.isEmpty {
                return "a neighbour's commit changed something: \(report.summary)"
            }
        }
        return try difference()
    }

    private func note(_ changes: [ClusterChange]) {
        for change in changes {
            switch change {
            case .applied(let object): objects[object.id] = object
            case .deleted(let id): objects[id] = nil
            case .retained: continue
            }
        }
    }

    private func restart() {
        reconciler = Reconciler(kernel: kernel, desired: Self.desired)
        reconciler.load(objects.values.map { .applied($0) })
    }

    private func persist() throws {
        for _ in 0..<Self.patience where (try? reconciler.synchronize()) != nil { return }
        _ = try reconciler.synchronize()
    }

    private func fail(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let errors: [NetlinkError] =
            [105, 12, 4, 1, 16].map { .system(operation: "injected", errno: $0) } + [
                .interrupted(operation: "injected"), .staleGeneration,
            ]
        func fault(_ rarity: Int) -> NetlinkError? {
            random.oneIn(rarity) ? errors.randomElement(using: &random) : nil
        }
        kernel.before = { _ in fault(5) }
        // Of what is only read, a lost answer is a failure like any other.
        kernel.after = { call in call == .commit || call == .discard ? fault(3) : nil }
    }

    /// What a process that starts now would change: nothing, if the kernel holds what a fresh computation asks for.
    private func difference() throws -> String? {
        var fresh = Self.desired
        _ = fresh.load(objects.values.map { .applied($0) })
        var summary = ChangeSummary()
        for transaction in try Reconciler(kernel: bench.kernel, desired: fresh).plan() { summary.add(transaction) }
        return summary.isEmpty ? nil : "the kernel differs from a fresh computation: \(summary)"
    }
}
