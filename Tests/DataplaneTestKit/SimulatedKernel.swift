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
    /// About how many elements one transaction can carry.
    public var elementCapacity = Int.max
    /// Called before the generation is read.
    public var beforeGeneration: (SimulatedKernel) -> Void = { _ in }

    /// How many sets were dumped.
    public private(set) var dumps = 0
    /// Called after each dump of a set.
    public var afterDump: (SimulatedKernel) -> Void = { _ in }
    /// Called after each reading by key.
    public var afterReadingByKey: (SimulatedKernel) -> Void = { _ in }

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
            var stood: ObservedElements?
            for name in SetDeclaration.interimNames(of: set.name) {
                guard let found = table.sets[name], found.declaration.hasForm(of: set) else { continue }
                result.interimSets[set.id] = name
                stood = found.observedElements
            }
            guard let found = table.sets[set.name] else {
                result.formerElements[set.id] = stood
                continue
            }
            let elements = set.isDynamic ? nil : found.observedElements
            guard found.declaration.hasForm(of: set) else {
                result.differingSets.insert(set.name)
                result.elements[set.id] = stood
                if found.declaration.hasElements(of: set) {
                    result.sharedElementSets.insert(set.name)
                    result.formerElements[set.id] = elements
                }
                continue
            }
            if found.declaration.size != set.size { result.resizableSets.insert(set.name) }
            result.elements[set.id] = elements
            result.formerElements[set.id] = stood
        }
        for chain in schema.chains {
            guard let found = table.chains[chain.name] else { continue }
            if found.hook != chain.hook { result.differingChains.insert(chain.name) }
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
    public func elements(of set: SetDeclaration, in schema: TableSchema) throws(SimulatedRefusal) -> ObservedElements {
        dumps += 1
        let elements = ObservedElements(ruleset.elements(schema.family, set.name).mapValues { ObservedElement(of: $0) })
        afterDump(self)
        return elements
    }

    /// Reads elements by key.
    public func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(SimulatedRefusal) -> [ElementKey: ObservedElement] {
        let elements = ruleset.elements(schema.family, set.name)
        afterReadingByKey(self)
        return keys.reduce(into: [:]) { found, key in found[key] = elements[key].map { ObservedElement(of: $0) } }
    }

    /// Removes elements that may be gone already.
    public func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(SimulatedRefusal) -> Int {
        var transaction = Transaction(tableName: schema.name)
        for (set, elements) in elements where !elements.isEmpty {
            transaction.append(schema.family, .destroyElements(set, elements))
        }
        if transaction.isEmpty { return 0 }
        if generation != currentGeneration { throw .staleGeneration }
        try ruleset.apply(transaction)
        currentGeneration &+= 1
        return 1
    }

    /// Writes what a packet would have the rules remember: no commit, no new generation.
    public func remember(_ element: Element, in set: String, _ family: IPFamily) {
        ruleset[family].sets[set]?.elements[element.key] = element
    }

    /// Forgets it as the kernel does when its time is up.
    public func expire(_ key: ElementKey, in set: String, _ family: IPFamily) {
        ruleset[family].sets[set]?.elements[key] = nil
    }

    /// Judges a transaction without carrying it out.
    public func check(_ transaction: Transaction) throws(SimulatedRefusal) {
        var copy = ruleset
        try copy.apply(transaction)
    }
}
