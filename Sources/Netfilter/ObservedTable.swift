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
    /// Sets of the schema that are there but of another form (`SetDeclaration.hasForm(of:)`).
    public var differingSets: Set<String> = []
    /// Those of them whose elements could be elements of the set in the schema.
    public var sharedElementSets: Set<String> = []
    /// Sets of the schema that are there with another size, where the kernel can change that in place.
    public var resizableSets: Set<String> = []
    /// Sets that stand in for sets of the schema (`SetDeclaration.interimNames`) and have their form: the name of each.
    public var interimSets: [SetID: String] = [:]
    /// The names of the chains that are there.
    public var chains: Set<String> = []
    /// Chains of the schema that are there but attached in another way. (What they say of themselves does not matter.)
    public var differingChains: Set<String> = []
    /// Chains of the schema that are there but have other rules.
    public var differingRules: Set<String> = []
    /// The elements of the sets that the schema knows; of a set of another form those of what stands in for it.
    public var elements: [SetID: ObservedElements] = [:]
    /// Elements that stand elsewhere: in a set of another form with the same key and data, or in one that stands in for a set
    /// that is there. They tell what was in force.
    public var formerElements: [SetID: ObservedElements] = [:]

    /// An absent table.
    public init() {}

    /// Adds what is known of elements from elsewhere, where the sets themselves have none.
    public var withFormerElements: ObservedTable {
        var table = self
        table.elements.merge(formerElements) { own, former in own.isEmpty ? former : own }
        return table
    }
}
