import Netfilter
import NetworkTypes

/// A set or map with its elements.
public struct SimulatedSet: Hashable, Sendable {
    /// How the set was declared.
    public var declaration: SetDeclaration
    /// The elements by key.
    public var elements: [ElementKey: Element] = [:]

    /// An empty set.
    public init(_ declaration: SetDeclaration) { self.declaration = declaration }

    /// What there is to be read of it; nil if there is nothing.
    var observedElements: ObservedElements? {
        elements.isEmpty ? nil : ObservedElements(elements.mapValues { ObservedElement(of: $0) })
    }

    /// The chains that the elements lead to, if this is a map of verdicts.
    var chains: [String] {
        elements.values.compactMap { declaration.chain(of: $0) }
    }
}

extension SetDeclaration {
    /// Whether elements that are meant for the other can go into this one: nobody sees identities, and texts do not matter.
    public func isDeclared(as other: SetDeclaration) -> Bool { name == other.name && hasForm(of: other) }
}

/// A table with all that it holds.
public struct SimulatedTable: Hashable, Sendable {
    /// The sets by name.
    public var sets: [String: SimulatedSet] = [:]
    /// The chains by name.
    public var chains: [String: Chain] = [:]

    /// An empty table.
    public init() {}

    /// Whether any rule looks up the set.
    func usesSet(_ name: String) -> Bool {
        statements.contains { statement in
            switch statement {
            case .lookup(_, let set, _), .destinationNAT(_, let set), .setPriority(_, let set),
                .dispatch(_, let set), .update(_, let set, _, _):
                set == name
            case .destinationNATFromTwo(_, let addresses, let ports): addresses == name || ports == name
            default: false
            }
        }
    }

    /// Whether any rule, or element of a map of verdicts, leads to the chain.
    func leadsTo(_ name: String) -> Bool {
        sets.values.contains { $0.chains.contains(name) }
            || statements.contains { statement in
                switch statement {
                case .jump(let chain), .goto(let chain): chain == name
                default: false
                }
            }
    }

    private var statements: some Sequence<Statement> { chains.values.lazy.flatMap(\.rules).flatMap { $0 } }
}

/// Why the simulation refused a transaction.
public enum SimulatedRefusal: DataplaneKernelError, Hashable, CustomStringConvertible {
    /// Somebody else committed first.
    case staleGeneration
    /// A step is impossible; the text names the object.
    case impossible(String)
    /// The test asked for a failure.
    case injected
    /// Elements that the test does not want.
    case elements([RefusedElement])

    /// Whether another look and another try will do.
    public var isStaleGeneration: Bool { self == .staleGeneration }

    /// The elements that are to blame.
    public var refusedElements: [RefusedElement] { if case .elements(let elements) = self { elements } else { [] } }

    /// What was refused.
    public var description: String {
        switch self {
        case .staleGeneration: "stale generation"
        case .impossible(let text): text
        case .injected: "injected failure"
        case .elements(let elements): elements.first?.reason ?? ""
        }
    }
}

/// The tables of a kernel, as strict as a kernel can be: it also refuses steps that the real one lets pass without an
/// effect, since a difference has none.
public struct SimulatedRuleset: Hashable, Sendable {
    /// The tables by family.
    public var tables: [IPFamily: SimulatedTable] = [:]

    /// Nothing.
    public init() {}

    /// Carries a transaction out, whole or not at all.
    public mutating func apply(_ transaction: Transaction) throws(SimulatedRefusal) {
        var copy = self
        for step in transaction.steps { try copy.apply(step) }
        self = copy
    }

    /// The elements of a set; empty if it is absent.
    public func elements(_ family: IPFamily, _ set: String) -> [ElementKey: Element] {
        tables[family]?.sets[set]?.elements ?? [:]
    }

    /// The table of a family.
    public subscript(_ family: IPFamily) -> SimulatedTable {
        get { tables[family] ?? SimulatedTable() }
        set { tables[family] = newValue }
    }

    private mutating func apply(_ step: Transaction.Step) throws(SimulatedRefusal) {
        let family = step.family
        if case .addTable = step.operation {
            try require(tables[family] == nil, "table \(family.nftName) exists")
            tables[family] = SimulatedTable()
            return
        }
        guard var table = tables.removeValue(forKey: family) else {
            throw .impossible("no table \(family.nftName)")
        }
        if case .deleteTable = step.operation { return }
        try table.apply(step.operation)
        tables[family] = table
    }
}

func require(_ condition: Bool, _ text: @autoclosure () -> String) throws(SimulatedRefusal) {
    if !condition { throw .impossible(text()) }
}
