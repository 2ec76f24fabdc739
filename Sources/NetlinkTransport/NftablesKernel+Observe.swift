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
                        let sets = try self.names(of: NFTMessage.getSet, at: 2, tableName, family)
                        names[family] = sets.union(try self.names(of: NFTMessage.getChain, at: 3, tableName, family))
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
            if message.attributes.first(1)?.text == tableName, let name = message.attributes.first(attribute)?.text {
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
        let readable = schema.sets.filter {
            table.sets.contains($0.name) && !table.differingSets.contains($0.name) && !$0.isDynamic
        }
        let beside = readBeside(readable, counts, guesses, schema)
        for set in readable where !guesses.sets.contains(set.id) {
            try observeElements(of: set, in: schema, count: counts[set.name], nil, into: &table)
        }
        let large = guesses.sets.compactMap { id in readable.first { $0.id == id } }
        for set in large where beside == nil || !guesses.independent.contains(set.id) {
            try observeElements(of: set, in: schema, count: counts[set.name], guesses, into: &table)
        }
        guard let found = beside?.join() else { return table }
        for set in large where guesses.independent.contains(set.id) {
            if let elements = found[set.id] {
                table.elements[set.id] = elements
                setsReadByKey += 1
                setsReadBeside += 1
            } else {
                try observeElements(of: set, in: schema, count: counts[set.name], guesses, into: &table)
            }
        }
        return table
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
        let (name, family) = (schema.name, schema.family)
        try list(NFTMessage.getSet, family: family.netfilterNumber, operation: "list sets") {
            $0.put(1, name)
        } handle: { message in
            guard message.attributes.first(1)?.text == name, let set = message.attributes.first(2)?.text else { return }
            // An anonymous set belongs to its rule, and goes with it.
            if (message.attributes.first(3)?.number ?? 0) & SetForm.anonymous != 0 { return }
            table.sets.insert(set)
            counts[set] = message.attributes.first(SetForm.countAttribute)?.number.map { Int($0) }
            if let declaration = declarations[set], !Self.matches(message.attributes, declaration, family) {
                table.differingSets.insert(set)
            }
        }
    }

    /// Attributes of a set (`enum nft_set_attributes`): flags 3, key type 4 and length 5, data type 6 and length 7,
    /// user data 13, expression 17.
    private static func matches(
        _ attributes: AttributeSequence, _ set: SetDeclaration, _ family: IPFamily
    ) -> Bool {
        func number(_ type: UInt16) -> UInt32 { attributes.first(type)?.number ?? 0 }
        return number(3) & SetForm.shownFlags == SetForm.flags(set) && number(4) == SetForm.type(set.key, family)
            && number(5) == UInt32(set.key.declaredWidth(family))
            && number(6) == (set.isMap ? SetForm.type(set.data, family) : 0)
            && number(7) == UInt32(set.data.declaredWidth(family))
            && Array(attributes.first(13)?.value ?? .init(start: nil, count: 0)) == UserData.declaration(set, family)
            && (attributes.first(17) != nil) == set.countsPackets
            && attributes.first(9)?.nested.first(1)?.number == set.size
    }

    // MARK: Chains and rules

    private func observeChains(_ schema: TableSchema, into table: inout ObservedTable) throws(NetlinkError) {
        let chains = Dictionary(uniqueKeysWithValues: schema.chains.map { ($0.name, $0) })
        let name = schema.name
        try list(NFTMessage.getChain, family: schema.family.netfilterNumber, operation: "list chains") { message in
            guard message.attributes.first(1)?.text == name, let chain = message.attributes.first(3)?.text else {
                return
            }
            table.chains.insert(chain)
            if let expected = chains[chain], !Self.matches(message.attributes, expected) {
                table.differingChains.insert(chain)
            }
        }
    }

    /// Attributes of a chain (`enum nft_chain_attributes`): hook 4 (number 1, priority 2), policy 5, type 7, user data 12.
    private static func matches(_ attributes: AttributeSequence, _ chain: Chain) -> Bool {
        let hook = attributes.first(4)
        guard (hook != nil) == (chain.hook != nil) else { return false }
        if let hook, let expected = chain.hook {
            let number = hook.nested.first(1)?.number
            let priority = hook.nested.first(2)?.number
            let type = attributes.first(7)?.text
            let policy = attributes.first(5)?.number
            if number != expected.point.rawValue || priority != UInt32(bitPattern: expected.priority)
                || type != expected.kind.rawValue || policy != 1
            {
                return false
            }
        }
        let comment = attributes.first(12).map { Array($0.value) } ?? []
        return comment == (chain.comment.map { UserData.comment($0) } ?? [])
    }

    private func observeRules(_ schema: TableSchema, into table: inout ObservedTable) throws(NetlinkError) {
        var found: [String: [String]] = [:]
        let name = schema.name
        try list(NFTMessage.getRule, family: schema.family.netfilterNumber, operation: "list rules") {
            $0.put(1, name)
        } handle: { message in
            guard message.attributes.first(1)?.text == name, let chain = message.attributes.first(2)?.text else {
                return
            }
            found[chain, default: []].append(RuleText.text(of: message))
        }
        let encoder = RuleEncoder(family: schema.family)
        for chain in schema.chains where table.chains.contains(chain.name) {
            let expected = chain.rules.map { RuleText.text(of: $0, encoder) }
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
        return text(ofExpressionsIn: rule)
    }

    static func text(of rule: Rule, _ encoder: RuleEncoder) -> String {
        guard let encoded = encoder.encode(rule, table: "", chain: "") else { return "" }
        defer { nftnl_rule_free(encoded) }
        return text(ofExpressionsIn: encoded)
    }

    private static func text(ofExpressionsIn rule: OpaquePointer) -> String {
        guard let iterator = nftnl_expr_iter_create(rule) else { return "" }
        defer { nftnl_expr_iter_destroy(iterator) }
        var result = ""
        while let expression = nftnl_expr_iter_next(iterator) {
            let name = nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME)).map { String(cString: $0) } ?? "?"
            result += name == "counter" ? "counter\n" : "\(name) \(text(of: expression))\n"
        }
        return result
    }

    private static func text(of expression: OpaquePointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            let count = nftnl_expr_snprintf(base, buffer.count, expression, UInt32(NFTNL_OUTPUT_DEFAULT.rawValue), 0)
            guard count > 0 else { return "" }
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
