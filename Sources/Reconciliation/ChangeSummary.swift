import Netfilter
import NetworkTypes

/// What transactions changed, in words: for a log line of bounded length, whatever the size of the change.
public struct ChangeSummary: Sendable {
    /// A set, by family and name.
    private struct SetName: Hashable, Comparable {
        var table: String
        var set: String

        static func < (left: Self, right: Self) -> Bool { (left.table, left.set) < (right.table, right.set) }
    }

    private struct Elements {
        var count = 0
        var examples: [String] = []

        mutating func add(_ elements: [Element], of set: SetDeclaration, _ family: IPFamily) {
            count += elements.count
            for element in elements.prefix(ChangeSummary.exampleLimit - examples.count) {
                examples.append(ElementText.fields(element.key, set.key, family))
            }
        }

        var text: String {
            let rest = count - examples.count
            return examples.joined(separator: ", ") + (rest > 0 ? ", \(rest) more" : "")
        }
    }

    private var added: [SetName: Elements] = [:]
    private var removed: [SetName: Elements] = [:]
    private var structure: [String] = []
    /// Tables that were recreated, which says it all of what is in them.
    private var fresh: Set<String> = []

    /// The most elements of a set that are named.
    private static let exampleLimit = 3
    /// The most sets, chains and tables that are named.
    private static let lineLimit = 8

    /// Nothing changed.
    public init() {}

    /// Takes note of a transaction.
    public mutating func add(_ transaction: Transaction) {
        for step in transaction.steps { add(step.operation, step.family) }
    }

    private mutating func add(_ operation: Operation, _ family: IPFamily) {
        let table = family.nftName
        switch operation {
        case .addElements(let set, let elements):
            added[SetName(table: table, set: set.name), default: Elements()].add(elements, of: set, family)
        case .deleteElements(let set, let elements), .destroyElements(let set, let elements):
            removed[SetName(table: table, set: set.name), default: Elements()].add(elements, of: set, family)
        case .addTable:
            note("\(table): table recreated")
            fresh.insert(table)
        case .deleteTable: note("\(table): a table of another form removed")
        case .addSet(let set): note("\(table): set \(set.name) recreated")
        case .deleteSet(let name): note("\(table): set \(name) removed")
        case .addChain(let chain): note("\(table): chain \(chain.name) recreated")
        case .setRules(let chain): note("\(table): rules of chain \(chain.name) put in order")
        case .deleteChain(let name): note("\(table): chain \(name) removed")
        case .claimTable, .flushChain: return
        }
    }

    private mutating func note(_ text: String) {
        if !fresh.contains(String(text.prefix { $0 != ":" })) { structure.append(text) }
    }

    /// Whether nothing changed.
    public var isEmpty: Bool { added.isEmpty && removed.isEmpty && structure.isEmpty }
}

extension ChangeSummary: CustomStringConvertible {
    /// What was put back, and what was taken away: `ip endpoints: put back 10.96.0.1 . tcp . 80 . 0`.
    public var description: String {
        var lines = structure
        func sorted(_ sets: [SetName: Elements]) -> [(key: SetName, value: Elements)] {
            sets.filter { !fresh.contains($0.key.table) }.sorted { $0.key < $1.key }
        }
        lines += sorted(removed).map { "\($0.key.table) \($0.key.set): removed \($0.value.text)" }
        lines += sorted(added).map { "\($0.key.table) \($0.key.set): put back \($0.value.text)" }
        let rest = lines.count - Self.lineLimit
        return lines.prefix(Self.lineLimit).joined(separator: "; ") + (rest > 0 ? "; \(rest) more" : "")
    }
}
