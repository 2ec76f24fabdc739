import NetworkTypes

/// One step of a transaction, in a table of one family.
public enum Operation: Sendable {
    /// Makes the table; no effect if it is there.
    case addTable(comment: String?)
    /// Makes the caller the owner of a table that is there and has none; nothing in it changes.
    case claimTable
    /// Removes the table with all that it holds.
    case deleteTable
    /// Makes a set.
    case addSet(SetDeclaration)
    /// Removes a set that no rule refers to.
    case deleteSet(name: String)
    /// Makes a chain without rules.
    case addChain(Chain)
    /// Replaces the rules of a chain.
    case setRules(Chain)
    /// Removes a chain that no rule leads to, with its rules.
    case deleteChain(name: String)
    /// Removes all rules of a chain that will go.
    case flushChain(name: String)
    /// Adds elements.
    case addElements(SetDeclaration, [Element])
    /// Removes elements by key; those that are gone already do not matter. Linux 6.3 or later.
    case destroyElements(SetDeclaration, [Element])
    /// Removes elements by key.
    case deleteElements(SetDeclaration, [Element])
}

/// A batch of operations that the kernel carries out whole or not at all.
public struct Transaction: Sendable {
    /// An operation and the family of its table.
    public struct Step: Sendable {
        /// The family.
        public var family: IPFamily
        /// The operation.
        public var operation: Operation

        /// Makes a step.
        public init(_ family: IPFamily, _ operation: Operation) {
            self.family = family
            self.operation = operation
        }
    }

    /// The name of the tables.
    public var tableName: String
    /// The steps in the order in which the kernel sees them.
    public var steps: [Step] = []

    /// Makes an empty transaction.
    public init(tableName: String) { self.tableName = tableName }

    /// Whether there is nothing to do.
    public var isEmpty: Bool { steps.isEmpty }

    /// The number of elements added and removed.
    public var elementCount: Int {
        steps.reduce(0) { sum, step in
            switch step.operation {
            case .addElements(_, let elements), .deleteElements(_, let elements), .destroyElements(_, let elements):
                sum + elements.count
            default: sum
            }
        }
    }

    /// Appends a step.
    public mutating func append(_ family: IPFamily, _ operation: Operation) { steps.append(Step(family, operation)) }
}

/// What the transactions of a plan change, counted.
public struct ChangeCounts: Hashable, Sendable {
    /// Elements added (a changed element counts as one removed and one added).
    public var added = 0
    /// Elements removed.
    public var removed = 0
    /// Tables, sets, chains and rule lists changed.
    public var structural = 0

    /// No change.
    public init() {}

    /// Counts the steps of transactions.
    public init(_ transactions: [Transaction]) {
        for step in transactions.lazy.flatMap(\.steps) {
            switch step.operation {
            case .addElements(_, let elements): added += elements.count
            case .deleteElements(_, let elements), .destroyElements(_, let elements): removed += elements.count
            default: structural += 1
            }
        }
    }

    /// Whether nothing changes.
    public var isEmpty: Bool { added == 0 && removed == 0 && structural == 0 }
}
