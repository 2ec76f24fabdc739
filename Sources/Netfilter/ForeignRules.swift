import NetworkTypes

/// What other programs have in the tables of the families ip and ip6, as far as it matters to find and remove it.
public struct ForeignRules: Sendable, Equatable {
    /// A chain.
    public struct Chain: Hashable, Sendable {
        /// The family of its table.
        public var family: IPFamily
        /// Its table.
        public var table: String
        /// Its name.
        public var name: String
        /// Whether packets enter it by a hook.
        public var isBase: Bool

        /// Names a chain.
        public init(family: IPFamily, table: String, name: String, isBase: Bool = false) {
            self.family = family
            self.table = table
            self.name = name
            self.isBase = isBase
        }
    }

    /// A rule that leads to another chain.
    public struct Jump: Hashable, Sendable {
        /// The family of its table.
        public var family: IPFamily
        /// Its table.
        public var table: String
        /// The chain that it is in.
        public var chain: String
        /// The number by which the kernel knows the rule.
        public var handle: UInt64
        /// The chain that it leads to, by `jump` or `goto`.
        public var target: String

        /// Names a rule.
        public init(family: IPFamily, table: String, chain: String, handle: UInt64, target: String) {
            self.family = family
            self.table = table
            self.chain = chain
            self.handle = handle
            self.target = target
        }
    }

    /// A table.
    public struct Table: Hashable, Sendable {
        /// Its family.
        public var family: IPFamily
        /// Its name.
        public var name: String

        /// Names a table.
        public init(family: IPFamily, name: String) {
            self.family = family
            self.name = name
        }
    }

    /// All tables.
    public var tables: [Table] = []
    /// All chains.
    public var chains: [Chain] = []
    /// The rules that lead to chains.
    public var jumps: [Jump] = []
    /// The generation that this was read at.
    public var generation: UInt32 = 0

    /// Nothing.
    public init() {}
}

/// What is to be removed of other programs' rules, in one transaction.
public struct ForeignRemoval: Sendable, Equatable {
    /// Rules, each by its handle.
    public var rules: [ForeignRules.Jump] = []
    /// Chains, with all rules in them.
    public var chains: [ForeignRules.Chain] = []
    /// Tables, with all that is in them.
    public var tables: [ForeignRules.Table] = []

    /// Nothing.
    public init() {}

    /// Whether there is nothing to remove.
    public var isEmpty: Bool { rules.isEmpty && chains.isEmpty && tables.isEmpty }
}
