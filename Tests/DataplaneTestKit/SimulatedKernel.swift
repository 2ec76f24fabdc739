import Netfilter
import NetworkTypes

/// A kernel in memory that others can change, and that fails when a test wants it to.
public final class SimulatedKernel: DataplaneKernel {
    /// What it holds.
    public private(set) var ruleset = SimulatedRuleset()
    /// The transactions that were carried out.
    public private(set) var commits: [Transaction] = []
    /// How often the tables were read.
    public private(set) var observations = 0
    /// The number of the current ruleset.
    public private(set) var currentGeneration: UInt32 = 1
    /// Called before each commit; what it throws is what the commit fails with.
    public var beforeCommit: (SimulatedKernel) throws(SimulatedRefusal) -> Void = { _ in }
    /// Elements that it does not take. Like a kernel, it tells of one of each step.
    public var refuses: (IPFamily, SetDeclaration, Element) -> Bool = { _, _, _ in false }
    /// Whether it says of elements that exist already which they are.
    public var tellsOfExistingElements = false
    /// Called before the generation is read.
    public var beforeGeneration: (SimulatedKernel) -> Void = { _ in }

    /// An empty kernel.
    public init() {}

    /// Changes what it holds as another program would.
    public func edit(_ body: (inout SimulatedRuleset) -> Void) {
        body(&ruleset)
        currentGeneration &+= 1
    }

    /// A commit of another program to tables that are not Fairlead's.
    public func commitElsewhere() { currentGeneration &+= 1 }

    /// Forgets which transactions were carried out.
    public func forgetCommits() { commits = [] }

    /// The number of the current ruleset.
    public func generation() throws(SimulatedRefusal) -> UInt32 {
        beforeGeneration(self)
        return currentGeneration
    }

    /// Whoever asks shares the tables with all others.
    public func ownership(ofTable name: String) throws(SimulatedRefusal) -> [IPFamily: TableOwnership] {
        ruleset.tables.mapValues { _ in .shared }
    }

    /// Reads what there is and compares it with the schemas.
    public func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(SimulatedRefusal) -> Observation {
        observations += 1
        var names: [IPFamily: Set<String>] = [:]
        for family in IPFamily.allCases {
            names[family] = Set(ruleset[family].sets.keys).union(ruleset[family].chains.keys)
        }
        var tables: [IPFamily: ObservedTable] = [:]
        for schema in schemas(names) { tables[schema.family] = observe(schema) }
        return Observation(tables: tables, generation: currentGeneration)
    }

    private func observe(_ schema: TableSchema) -> ObservedTable {
        var result = ObservedTable()
        guard let table = ruleset.tables[schema.family] else { return result }
        result.exists = true
        result.sets = Set(table.sets.keys)
        result.chains = Set(table.chains.keys)
        for set in schema.sets {
            guard let found = table.sets[set.name] else { continue }
            guard found.declaration.isDeclared(as: set) else {
                result.differingSets.insert(set.name)
                continue
            }
            if !found.elements.isEmpty, !set.isDynamic {
                result.elements[set.id] = ObservedElements(found.elements.mapValues { ObservedElement(of: $0) })
            }
        }
        for chain in schema.chains {
            guard let found = table.chains[chain.name] else { continue }
            if found.hook != chain.hook || found.comment != chain.comment { result.differingChains.insert(chain.name) }
            if found.rules != chain.rules { result.differingRules.insert(chain.name) }
        }
        return result
    }

    /// Carries a transaction out, whole or not at all.
    public func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(SimulatedRefusal) {
        try beforeCommit(self)
        if let generation, generation != currentGeneration { throw .staleGeneration }
        var removed: [String: Set<ElementKey>] = [:]
        for step in transaction.steps {
            if case .deleteElements(let set, let elements) = step.operation {
                removed["\(step.family) \(set.name)", default: []].formUnion(elements.map(\.key))
            }
        }
        let refused = transaction.steps.compactMap { refusal($0, removed) }
        if !refused.isEmpty { throw .elements(refused) }
        try ruleset.apply(transaction)
        commits.append(transaction)
        currentGeneration &+= 1
    }

    /// The first element of a step that it does not take.
    private func refusal(_ step: Transaction.Step, _ removed: [String: Set<ElementKey>]) -> RefusedElement? {
        guard case .addElements(let set, let elements) = step.operation else { return nil }
        let existing = tellsOfExistingElements ? ruleset.elements(step.family, set.name) : [:]
        let gone = removed["\(step.family) \(set.name)"] ?? []
        let bad = elements.first {
            refuses(step.family, set, $0) || existing[$0.key] != nil && !gone.contains($0.key)
        }
        guard let bad else { return nil }
        let text = ElementText.fields(bad.key, set.key, step.family)
        return RefusedElement(
            family: step.family, set: set.name, key: bad.key, reason: "set \(set.name), element \(text): refused")
    }

    /// Reads the elements of one set.
    public func elements(
        of set: SetDeclaration, in schema: TableSchema
    ) throws(SimulatedRefusal) -> [ElementKey: ObservedElement] {
        ruleset.tables[schema.family]?.sets[set.name]?.elements.mapValues { ObservedElement(of: $0) } ?? [:]
    }

    /// Removes elements that may be gone already.
    public func discard(
        _ elements: [Element], of set: SetDeclaration, in schema: TableSchema
    ) throws(SimulatedRefusal) {
        var transaction = Transaction(tableName: schema.name)
        transaction.append(schema.family, .destroyElements(set, elements))
        try ruleset.apply(transaction)
        currentGeneration &+= 1
    }

    /// Judges a transaction without carrying it out.
    public func check(_ transaction: Transaction) throws(SimulatedRefusal) {
        var copy = ruleset
        try copy.apply(transaction)
    }
}
