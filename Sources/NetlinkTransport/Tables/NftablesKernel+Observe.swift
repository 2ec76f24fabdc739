import CNftnl
import Netfilter
import NetworkTypes

extension NftablesKernel {
    /// How often the tables, or one list of them, are read again when others change the ruleset meanwhile.
    static let attempts = 20
    /// Reads what the kernel has of the tables and compares it with their schemas.
    ///
    /// The tables belong together: either the generation is the same before and after, or two readings in a row are
    /// equal, for which neighbours that commit to their own tables all the time are no obstacle. Commit with the
    /// generation to be sure that nothing came between.
    public func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(NetlinkError) -> Observation {
        var last: [IPFamily: ObservedTable]?
        for _ in 0..<Self.attempts {
            let before = try generation()
            do throws(NetlinkError) {
                var names: [IPFamily: Set<String>] = [:]
                for family in IPFamily.allCases {
                    try repeating { () throws(NetlinkError) in
                        let sets = try self.names(of: NFTMessage.getSet, at: SetField.name, tableName, family)
                        names[family] = sets.union(
                            try self.names(of: NFTMessage.getChain, at: ChainField.name, tableName, family))
                    }
                }
                var tables: [IPFamily: ObservedTable] = [:]
                for schema in schemas(names) { tables[schema.family] = try observe(schema, guesses) }
                if try generation() == before || tables == last {
                    return Observation(tables: tables, generation: before)
                }
                last = tables
            } catch {
                // What was listed may be gone by the time that it is read.
                if case .interrupted = error { continue }
                if try generation() == before { throw error }
            }
        }
        throw .interrupted(operation: "read the tables")
    }

    /// The names of a table's sets, or of its chains.
    ///
    /// - Parameter attribute: which attribute has the name.
    func names(
        of type: UInt16, at attribute: UInt16, _ tableName: String, _ family: IPFamily
    ) throws(NetlinkError) -> Set<String> {
        var names: Set<String> = []
        try list(type, family: family.netfilterNumber, operation: "list sets and chains") { message in
            // Of a set and of a chain the table's name has the same number.
            if message.attributes.first(SetField.table)?.text == tableName,
                let name = message.attributes.first(attribute)?.text
            {
                names.insert(name)
            }
        }
        return names
    }

    private func observe(_ schema: TableSchema, _ guesses: ElementGuesses) throws(NetlinkError) -> ObservedTable {
        var table = ObservedTable()
        let family = schema.family.netfilterNumber
        let name = schema.name
        try list(NFTMessage.getTable, family: family, operation: "list tables") { [portID] message in
            guard message.family == family, message.attributes.first(TableField.name)?.text == name else { return }
            table.exists = true
            table.ownership = TableOwnership(message.attributes, port: portID)
        }
        guard table.exists else { return table }
        var counts: [String: Int] = [:]
        try repeating { () throws(NetlinkError) in try observeSets(schema, into: &table, &counts) }
        try repeating { () throws(NetlinkError) in try observeChains(schema, into: &table) }
        try repeating { () throws(NetlinkError) in try observeRules(schema, into: &table) }
        try observeElements(schema, guesses, counts, into: &table)
        return table
    }

    /// Reads elements of each set where they can be read: from the set, also if it has another form but the same elements,
    /// and from what stands in for it.
    private func observeElements(
        _ schema: TableSchema, _ guesses: ElementGuesses, _ counts: [String: Int], into table: inout ObservedTable
    ) throws(NetlinkError) {
        let unreadable = table.differingSets.subtracting(table.sharedElementSets)
        let readable = schema.sets.filter {
            table.sets.contains($0.name) && !unreadable.contains($0.name) && !$0.isDynamic
        }
        try observeElements(of: readable, in: schema, guesses, counts, into: &table)
        let differing = readable.filter { table.differingSets.contains($0.name) }
        let interim = schema.sets.compactMap { set in table.interimSets[set.id].map { set.named($0) } }
        if differing.isEmpty, interim.isEmpty { return }
        // What was read so far is what was in force, and helps to guess the rest.
        var standIns = table
        for set in interim { standIns.elements[set.id] = nil }
        try observeElements(of: interim, in: schema, guesses, counts, into: &standIns)
        for set in schema.sets {
            let found = table.interimSets[set.id] == nil ? nil : standIns.elements[set.id]
            if table.differingSets.contains(set.name) {
                table.formerElements[set.id] = table.elements[set.id]
                table.elements[set.id] = found
            } else if let found {
                table.formerElements[set.id] = found
            }
        }
    }

    private func observeElements(
        of readable: [SetDeclaration], in schema: TableSchema, _ guesses: ElementGuesses, _ counts: [String: Int],
        into table: inout ObservedTable
    ) throws(NetlinkError) {
        let beside = readBeside(readable, counts, guesses, schema)
        for set in readable where !guesses.sets.contains(set.id) {
            try observeElements(of: set, in: schema, count: counts[set.name], nil, into: &table)
        }
        let large = guesses.sets.compactMap { id in readable.first { $0.id == id } }
        for set in large where beside == nil || !guesses.independent.contains(set.id) {
            try observeElements(of: set, in: schema, count: counts[set.name], guesses, into: &table)
        }
        guard let found = beside?.join() else { return }
        for set in large where guesses.independent.contains(set.id) {
            if let elements = found[set.id] {
                table.elements[set.id] = elements
                setsReadByKey += 1
                setsReadBeside += 1
            } else {
                try observeElements(of: set, in: schema, count: counts[set.name], guesses, into: &table)
            }
        }
    }

    /// Reads a list again that somebody's commit interrupted; each is short, however large the tables are.
    private func repeating(_ body: () throws(NetlinkError) -> Void) throws(NetlinkError) {
        for _ in 0..<Self.attempts {
            do throws(NetlinkError) {
                return try body()
            } catch {
                guard case .interrupted = error else { throw error }
            }
        }
        try body()
    }

    // MARK: Sets

    /// - Parameter counts: becomes the number of elements of each set, where the kernel tells it.
    private func observeSets(
        _ schema: TableSchema, into table: inout ObservedTable, _ counts: inout [String: Int]
    ) throws(NetlinkError) {
        let declarations = Dictionary(uniqueKeysWithValues: schema.sets.map { ($0.name, $0) })
        var interim: [String: SetDeclaration] = [:]
        for set in schema.sets {
            for name in SetDeclaration.interimNames(of: set.name) { interim[name] = set }
        }
        let (name, family) = (schema.name, schema.family)
        try list(NFTMessage.getSet, family: family.netfilterNumber, operation: "list sets") {
            $0.put(SetField.table, name)
        } handle: { message in
            guard message.attributes.first(SetField.table)?.text == name,
                let set = message.attributes.first(SetField.name)?.text
            else { return }
            // An anonymous set belongs to its rule, and goes with it.
            if (message.attributes.first(SetField.flags)?.number ?? 0) & SetForm.anonymous != 0 { return }
            table.sets.insert(set)
            counts[set] = message.attributes.first(SetForm.countAttribute)?.number.map { Int($0) }
            guard let declaration = declarations[set] else {
                let shape = SetShape(message.attributes)
                if let stood = interim[set], shape.isForm(of: stood, family) {
                    table.interimSets[stood.id] = set
                }
                return
            }
            let shape = SetShape(message.attributes)
            if !shape.isForm(of: declaration, family) {
                table.differingSets.insert(set)
                if shape.hasElements(of: declaration, family) { table.sharedElementSets.insert(set) }
            } else if shape.size != declaration.size, Self.resizesSets {
                table.resizableSets.insert(set)
            }
        }
    }

    // MARK: Chains and rules

    private func observeChains(_ schema: TableSchema, into table: inout ObservedTable) throws(NetlinkError) {
        let chains = Dictionary(uniqueKeysWithValues: schema.chains.map { ($0.name, $0) })
        let name = schema.name
        try list(NFTMessage.getChain, family: schema.family.netfilterNumber, operation: "list chains") { message in
            guard message.attributes.first(ChainField.table)?.text == name,
                let chain = message.attributes.first(ChainField.name)?.text
            else { return }
            table.chains.insert(chain)
            if let expected = chains[chain], !Self.matches(message.attributes, expected) {
                table.differingChains.insert(chain)
            }
        }
    }

    /// Whether a chain is hooked as wished. Its comment does not matter to packets, and cannot be changed.
    private static func matches(_ attributes: AttributeSequence, _ chain: Chain) -> Bool {
        let hook = attributes.first(ChainField.hook)
        guard (hook != nil) == (chain.hook != nil) else { return false }
        if let hook, let expected = chain.hook {
            let number = hook.nested.first(ChainField.hookNumber)?.number
            let priority = hook.nested.first(ChainField.hookPriority)?.number
            let type = attributes.first(ChainField.type)?.text
            let policy = attributes.first(ChainField.policy)?.number
            if number != expected.point.rawValue || priority != UInt32(bitPattern: expected.priority)
                || type != expected.kind.rawValue || policy != ChainField.policyAccept
            {
                return false
            }
        }
        return true
    }

    private func observeRules(_ schema: TableSchema, into table: inout ObservedTable) throws(NetlinkError) {
        var found: [String: [String]] = [:]
        let name = schema.name
        try list(NFTMessage.getRule, family: schema.family.netfilterNumber, operation: "list rules") {
            $0.put(RuleField.table, name)
        } handle: { message in
            guard message.attributes.first(RuleField.table)?.text == name,
                let chain = message.attributes.first(RuleField.chain)?.text
            else { return }
            found[chain, default: []].append(RuleText.text(of: message))
        }
        let encoder = RuleEncoder(family: schema.family, memory: encoderMemory)
        for chain in schema.chains where table.chains.contains(chain.name) {
            var expected: [String] = []
            for rule in chain.rules { expected.append(try RuleText.text(of: rule, encoder)) }
            if expected != found[chain.name] ?? [] { table.differingRules.insert(chain.name) }
        }
    }
}

/// The text of a rule's expressions as libnftnl shows them: what a rule of ours and a dumped one are compared by.
enum RuleText {
    /// What stands for a rule that has no text: it is none of ours.
    static let unreadable = "unreadable\n"

    static func text(of message: NetlinkMessage) -> String {
        guard RuleForm.isReadable(message), let rule = nftnl_rule_alloc(), let base = message.payload.baseAddress
        else { return unreadable }
        defer { nftnl_rule_free(rule) }
        let header = (base - 16).assumingMemoryBound(to: nlmsghdr.self)
        guard nftnl_rule_nlmsg_parse(header, rule) == 0 else { return unreadable }
        return text(ofExpressionsIn: rule) ?? unreadable
    }

    static func text(of rule: Rule, _ encoder: RuleEncoder) throws(NetlinkError) -> String {
        let encoded = try encoder.encode(rule, table: "", chain: "")
        defer { nftnl_rule_free(encoded) }
        // Two texts that could not be made must not pass for equal rules.
        guard let text = text(ofExpressionsIn: encoded) else { throw .noMemory(object: "the text of a rule") }
        return text
    }

    /// Nil if it could not be made.
    private static func text(ofExpressionsIn rule: OpaquePointer) -> String? {
        guard let iterator = nftnl_expr_iter_create(rule) else { return nil }
        defer { nftnl_expr_iter_destroy(iterator) }
        var result = ""
        while let expression = nftnl_expr_iter_next(iterator) {
            let name = nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME)).map { String(cString: $0) } ?? "?"
            if name == "counter" {
                result += "counter\n"
            } else {
                guard let text = text(of: expression) else { return nil }
                result += "\(name) \(text)\n"
            }
        }
        return result
    }

    private static func text(of expression: OpaquePointer) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let count = nftnl_expr_snprintf(base, buffer.count, expression, UInt32(NFTNL_OUTPUT_DEFAULT.rawValue), 0)
            // What is longer than any of ours would be compared by its beginning only.
            guard count >= 0, count < buffer.count else { return nil }
            if count == 0 { return "" }
            // The kernel adds to the flags of a nat expression what follows from its registers.
            return String(cString: base).replacingFlags()
        }
    }
}

extension String {
    /// Without the flags that the kernel derives itself (`NF_NAT_RANGE_MAP_IPS`, `NF_NAT_RANGE_PROTO_SPECIFIED`).
    fileprivate func replacingFlags() -> String {
        hasSuffix(" flags 0x3 ") ? String(dropLast(" flags 0x3 ".count)) + " " : self
    }
}

extension NftablesKernel {
    /// The families in which there is a table of that name.
    public func families(ofTable name: String) throws(NetlinkError) -> [IPFamily] {
        let tables = try ownership(ofTable: name)
        return IPFamily.allCases.filter { tables[$0] != nil }
    }

    /// Who may change the tables of that name, by family; none of a family that has no such table.
    public func ownership(ofTable name: String) throws(NetlinkError) -> [IPFamily: TableOwnership] {
        var result: [IPFamily: TableOwnership] = [:]
        for family in IPFamily.allCases {
            let number = family.netfilterNumber
            try list(NFTMessage.getTable, family: number, operation: "list tables") { [portID] message in
                guard message.family == number, message.attributes.first(TableField.name)?.text == name else { return }
                result[family] = TableOwnership(message.attributes, port: portID)
            }
        }
        return result
    }
}

extension NftablesKernel {
    /// Missing permission may mean that a table has an owner; only a look at the table tells.
    func owned(_ tableName: String, insteadOf error: NetlinkError) -> NetlinkError {
        guard error.code == ErrorNumber.notPermitted,
            let tables = try? ownership(ofTable: tableName)
        else { return error }
        for (family, ownership) in tables.sorted(by: { $0.key.nftName < $1.key.nftName }) {
            if case .foreign(let port) = ownership {
                return .owned(table: "table \(family.nftName) \(tableName)", by: Committer(port: port))
            }
        }
        return error
    }
}

extension TableOwnership {
    /// - Parameters:
    ///   - table: the attributes of a table.
    ///   - port: the address of the socket that asks.
    init(_ table: AttributeSequence, port: UInt32) {
        let flags = table.first(TableField.flags)?.number ?? 0
        if flags & TableField.owned != 0 {
            let owner = table.first(TableField.owner)?.number ?? 0
            self = owner == port ? .own : .foreign(port: owner)
        } else {
            self = flags & TableField.persistent != 0 ? .orphan : .shared
        }
    }
}
