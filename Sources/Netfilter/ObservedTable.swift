import NetworkTypes

/// What the kernel has for an element, apart from its key.
public struct ObservedElement: Hashable, Sendable {
    /// The data of a map's element, or the last address of an interval; empty otherwise.
    public var value: ElementKey
    /// The comment.
    public var comment: String?

    /// Makes an observation.
    public init(value: ElementKey, comment: String?) {
        self.value = value
        self.comment = comment
    }

    /// What an element looks like when it is observed.
    public init(of element: Element) {
        value = element.data ?? element.keyEnd ?? ElementKey()
        comment = element.comment
    }
}

/// What the kernel has of a table, compared with a schema.
public struct ObservedTable: Hashable, Sendable {
    /// Whether there is a table of that name.
    public var exists = false
    /// Who may change it.
    public var ownership = TableOwnership.shared
    /// The names of the sets that are there.
    public var sets: Set<String> = []
    /// Sets of the schema that are there but declared in another way.
    public var differingSets: Set<String> = []
    /// The names of the chains that are there.
    public var chains: Set<String> = []
    /// Chains of the schema that are there but attached in another way.
    public var differingChains: Set<String> = []
    /// Chains of the schema that are there but have other rules.
    public var differingRules: Set<String> = []
    /// The elements of the sets that the schema knows.
    public var elements: [SetID: ObservedElements] = [:]

    /// An absent table.
    public init() {}
}
