import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Testing

/// A dataplane and the tables that its transactions have made.
struct Fixture {
    private(set) var dataplane: Dataplane
    private(set) var ruleset = SimulatedRuleset()

    /// Tables without Services, made once.
    private static let empty = Result { try Fixture(options: DataplaneOptions()) }

    init() throws { self = try Self.empty.get() }

    init(options: DataplaneOptions) throws {
        dataplane = Dataplane(options: options)
        var planner = Planner(dataplane, observed: [:])
        planner.finish(dataplane)
        for transaction in planner.drain() { try ruleset.apply(transaction) }
    }

    /// Replaces Services and carries out what follows.
    @discardableResult
    mutating func update(_ changes: [(key: ObjectKey, resolved: ResolvedService?)]) throws -> DataplaneDelta {
        let provision = dataplane.provision
        let delta = dataplane.update(changes)
        try carryOut(delta, previous: provision)
        return delta
    }

    @discardableResult
    mutating func put(_ services: ResolvedService...) throws -> DataplaneDelta {
        try update(services.map { ($0.key, $0) })
    }

    @discardableResult
    mutating func remove(_ name: String) throws -> DataplaneDelta { try update([(Scene.key(name), nil)]) }

    mutating func setNode(_ node: NodeData) throws {
        let provision = dataplane.provision
        let delta = dataplane.setNode(node)
        try carryOut(delta, previous: provision)
    }

    /// Carries out what follows of a change. No transaction changes rules and elements.
    private mutating func carryOut(_ delta: DataplaneDelta, previous: Dataplane.Provision) throws {
        for transaction in dataplane.transactions(for: delta, previous: previous) {
            #expect(!transaction.changesStructure || !transaction.changesElements)
            try ruleset.apply(transaction)
        }
    }

    /// The text of every element of the family, by set, without sets that are empty and what belongs to the structure.
    func elements(_ family: IPFamily = .ipv4) -> [String: [String]] {
        let structure = dataplane.schema(family).verdicts
        return ruleset[family].sets.filter { structure[$0.value.declaration.id] == nil }.mapValues { set in
            set.elements.values.sorted { $0.key < $1.key }.map { set.declaration.text(of: $0, family) }
        }.filter { !$0.value.isEmpty }
    }

    /// The endpoints of a frontend in the order of their slots.
    func slots(_ frontend: KeyBuilder, in map: String = "endpoints", _ family: IPFamily = .ipv4) -> [ElementData] {
        var result: [ElementData] = []
        while true {
            var key = frontend
            key.append(slot: UInt32(result.count))
            guard let data = ruleset.elements(family, map)[key.key]?.data else { return result }
            result.append(data)
        }
    }
}

extension Transaction {
    /// Whether it changes sets, chains or rules.
    var changesStructure: Bool {
        steps.contains {
            switch $0.operation {
            case .addElements, .deleteElements: false
            default: true
            }
        }
    }

    /// Whether it changes elements, those of maps of verdicts aside, which belong to the structure.
    var changesElements: Bool {
        steps.contains {
            switch $0.operation {
            case .addElements(let set, _), .deleteElements(let set, _): set.id != .timeouts
            default: false
            }
        }
    }
}

extension DataplaneDelta {
    /// All elements that come and go.
    var isEmpty: Bool { tables.isEmpty }
}
