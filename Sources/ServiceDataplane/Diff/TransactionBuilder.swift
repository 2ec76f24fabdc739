import Netfilter
import NetworkTypes

/// Collects what changes and makes transactions of it.
struct TransactionBuilder {
    private let tableName: String
    private var leading: [Transaction.Step] = []
    private var trailing: [Transaction.Step] = []
    /// What changes in the table of IPv4, and in that of IPv6.
    private var tables = [TableDelta(), TableDelta()]
    /// How much room what was collected takes in a batch, in elements.
    private(set) var weight = 0

    init(tableName: String) { self.tableName = tableName }

    mutating func lead(_ family: IPFamily, _ operations: [Operation]) {
        leading += operations.map { Transaction.Step(family, $0) }
        weight += Self.weight(operations)
    }

    mutating func trail(_ family: IPFamily, _ operations: [Operation]) {
        trailing += operations.map { Transaction.Step(family, $0) }
        weight += Self.weight(operations)
    }

    /// How much room changes of structure take in a batch, in elements. A rule takes about as much as four of them.
    static func weight(_ operations: [Operation]) -> Int {
        operations.reduce(0) { sum, operation in
            switch operation {
            case .setRules(let chain): sum + 1 + 4 * chain.rules.count
            case .addSet: sum + 3
            case .addElements(_, let elements), .deleteElements(_, let elements): sum + elements.count
            default: sum + 1
            }
        }
    }

    private static func index(_ family: IPFamily) -> Int { family == .ipv4 ? 0 : 1 }

    mutating func add(_ family: IPFamily, _ set: SetID, _ element: Element) {
        tables[Self.index(family)].add(set, element)
        weight += 1
    }

    mutating func add(_ family: IPFamily, _ set: SetID, _ elements: [Element]) {
        tables[Self.index(family)].add(set, elements)
        weight += elements.count
    }

    mutating func remove(_ family: IPFamily, _ set: SetID, _ element: Element) {
        tables[Self.index(family)].remove(set, element)
        weight += 1
    }

    /// Takes a whole delta, without looking at its elements.
    mutating func take(_ family: IPFamily, _ delta: TableDelta) {
        delta.forEachRemoved { set, elements in
            tables[Self.index(family)].remove(set, elements)
            weight += elements.count
        }
        delta.forEachAdded { add(family, $0, $1) }
    }

    /// The transaction of all that was collected since the last one; nil if there is nothing.
    ///
    /// A changed element is removed before it is added again. Sets go in a fixed order, so that the same change always
    /// makes the same transaction.
    mutating func seal(schema: (IPFamily) -> TableSchema) -> Transaction? {
        var transaction = Transaction(tableName: tableName)
        transaction.steps = leading
        for family in IPFamily.allCases {
            append(family, schema, to: &transaction, \.hasRemovals) { set, delta in
                .deleteElements(set, delta.removed(from: set.id))
            }
        }
        for family in IPFamily.allCases {
            append(family, schema, to: &transaction, \.hasAdditions) { set, delta in
                .addElements(set, delta.added(to: set.id))
            }
        }
        transaction.steps += trailing
        self = TransactionBuilder(tableName: tableName)
        return transaction.isEmpty ? nil : transaction
    }

    private func append(
        _ family: IPFamily, _ schema: (IPFamily) -> TableSchema, to transaction: inout Transaction,
        _ isConcerned: (TableDelta) -> Bool, _ operation: (SetDeclaration, TableDelta) -> Operation
    ) {
        let delta = tables[Self.index(family)]
        guard isConcerned(delta) else { return }
        for declaration in schema(family).sets {
            let step = operation(declaration, delta)
            switch step {
            case .addElements(_, let elements) where elements.isEmpty: continue
            case .deleteElements(_, let elements) where elements.isEmpty: continue
            default: transaction.steps.append(.init(family, step))
            }
        }
    }
}
