import Netfilter
import NetworkTypes

/// Collects what changes and makes transactions of it.
struct TransactionBuilder {
    private let tableName: String
    private var leading: [Transaction.Step] = []
    private var trailing: [Transaction.Step] = []
    private var removed: [IPFamily: [SetID: [Element]]] = [:]
    private var added: [IPFamily: [SetID: [Element]]] = [:]
    /// The number of elements collected.
    private(set) var elementCount = 0

    init(tableName: String) { self.tableName = tableName }

    mutating func lead(_ family: IPFamily, _ operations: [Operation]) {
        leading += operations.map { Transaction.Step(family, $0) }
    }

    mutating func trail(_ family: IPFamily, _ operations: [Operation]) {
        trailing += operations.map { Transaction.Step(family, $0) }
    }

    mutating func add(_ family: IPFamily, _ set: SetID, _ element: Element) {
        added[family, default: [:]][set, default: []].append(element)
        elementCount += 1
    }

    mutating func add(_ family: IPFamily, _ set: SetID, _ elements: [Element]) {
        added[family, default: [:]][set, default: []] += elements
        elementCount += elements.count
    }

    mutating func remove(_ family: IPFamily, _ set: SetID, _ element: Element) {
        removed[family, default: [:]][set, default: []].append(element)
        elementCount += 1
    }

    /// Takes a whole delta, without looking at its elements.
    mutating func take(_ family: IPFamily, _ delta: TableDelta) {
        for (set, elements) in delta.removed {
            removed[family, default: [:]][set, default: []] += elements
            elementCount += elements.count
        }
        for (set, elements) in delta.added {
            added[family, default: [:]][set, default: []] += elements
            elementCount += elements.count
        }
    }

    /// The transaction of all that was collected since the last one; nil if there is nothing.
    ///
    /// A changed element is removed before it is added again. Sets go in a fixed order, so that the same change always
    /// makes the same transaction.
    mutating func seal(schema: (IPFamily) -> TableSchema) -> Transaction? {
        var transaction = Transaction(tableName: tableName)
        transaction.steps = leading
        for family in IPFamily.allCases {
            let declarations = removed[family] == nil && added[family] == nil ? [] : schema(family).sets
            append(removed[family] ?? [:], declarations, to: &transaction) { .init(family, .deleteElements($0, $1)) }
        }
        for family in IPFamily.allCases {
            let declarations = added[family] == nil ? [] : schema(family).sets
            append(added[family] ?? [:], declarations, to: &transaction) { .init(family, .addElements($0, $1)) }
        }
        transaction.steps += trailing
        self = TransactionBuilder(tableName: tableName)
        return transaction.isEmpty ? nil : transaction
    }

    private func append(
        _ changes: [SetID: [Element]], _ declarations: [SetDeclaration], to transaction: inout Transaction,
        _ step: (SetDeclaration, [Element]) -> Transaction.Step
    ) {
        for declaration in declarations {
            if let elements = changes[declaration.id], !elements.isEmpty {
                transaction.steps.append(step(declaration, elements))
            }
        }
    }
}
