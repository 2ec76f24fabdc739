import Netfilter
import NetworkTypes

/// Rules of other programs: read on request, and removed only when the operator asks.
extension NftablesKernel {
    /// Reads which tables and chains there are, and which rules lead to which chains.
    ///
    /// - Throws: `NetlinkError.interrupted` if others change the ruleset again and again meanwhile.
    public func foreignRules() throws(NetlinkError) -> ForeignRules {
        for _ in 0..<20 {
            let before = try generation()
            do throws(NetlinkError) {
                var rules = ForeignRules()
                for family in IPFamily.allCases { try read(family, into: &rules) }
                rules.generation = before
                if try generation() == before { return rules }
            } catch {
                guard case .interrupted = error else { throw error }
            }
        }
        throw .interrupted(operation: "read the ruleset")
    }

    private func read(_ family: IPFamily, into rules: inout ForeignRules) throws(NetlinkError) {
        let number = family.netfilterNumber
        var found = ForeignRules()
        try list(NFTMessage.getTable, family: number, operation: "list tables") { message in
            guard message.family == number, let name = message.attributes.first(TableField.name)?.text else { return }
            found.tables.append(ForeignRules.Table(family: family, name: name))
        }
        try list(NFTMessage.getChain, family: number, operation: "list chains") { message in
            guard message.family == number, let table = message.attributes.first(ChainField.table)?.text,
                let name = message.attributes.first(ChainField.name)?.text
            else { return }
            let isBase = message.attributes.first(ChainField.hook) != nil
            found.chains.append(ForeignRules.Chain(family: family, table: table, name: name, isBase: isBase))
        }
        try list(NFTMessage.getRule, family: number, operation: "list rules") { message in
            guard message.family == number, let jump = Self.jump(message.attributes, family) else { return }
            found.jumps.append(jump)
        }
        rules.tables += found.tables
        rules.chains += found.chains
        rules.jumps += found.jumps
    }

    /// The chain that a rule leads to: the verdict of an expression `immediate` names it.
    private static func jump(_ rule: AttributeSequence, _ family: IPFamily) -> ForeignRules.Jump? {
        guard let table = rule.first(RuleField.table)?.text, let chain = rule.first(RuleField.chain)?.text,
            let handle = rule.first(RuleField.handle)?.value, handle.count == 8,
            let expressions = rule.first(RuleField.expressions)
        else { return nil }
        for expression in expressions.nested {
            guard expression.nested.first(ExpressionField.name)?.text == "immediate",
                let data = expression.nested.first(ExpressionField.data)?.nested.first(ImmediateField.data),
                let target = data.nested.first(DataField.verdict)?.nested.first(VerdictField.chain)
            else { continue }
            return ForeignRules.Jump(
                family: family, table: table, chain: chain,
                handle: UInt64(bigEndian: handle.loadUnaligned(as: UInt64.self)), target: target.text)
        }
        return nil
    }

    /// The keys of a set or map, as the bytes that the kernel holds; empty if there is no such set.
    public func keys(ofSet set: String, in table: ForeignRules.Table) throws(NetlinkError) -> Set<[UInt8]> {
        var keys: Set<[UInt8]> = []
        do throws(NetlinkError) {
            try request(
                NFTMessage.getElement, flags: NetlinkFlag.dump, family: table.family.netfilterNumber,
                operation: "read set \(set) of table \(table.family.nftName) \(table.name)"
            ) {
                $0.put(ElementAttribute.listTable, table.name)
                $0.put(ElementAttribute.listSet, set)
            } handle: { message in
                for item in message.attributes.first(ElementAttribute.listElements)?.nested
                    ?? .init(.init(start: nil, count: 0))
                {
                    guard let key = item.nested.first(ElementAttribute.key)?.nested.first(ElementAttribute.value) else {
                        continue
                    }
                    keys.insert(Array(key.value))
                }
            }
        } catch {
            guard error.code == ErrorNumber.noEntry else { throw error }
        }
        return keys
    }

    /// The names of the sets and maps of a table.
    public func setNames(in table: ForeignRules.Table) throws(NetlinkError) -> Set<String> {
        try names(of: NFTMessage.getSet, at: SetField.name, table.name, table.family)
    }

    /// Removes, whole or not at all.
    ///
    /// - Parameter generation: refuse with `staleGeneration` unless the ruleset is of this generation.
    public func remove(_ removal: ForeignRemoval, expecting generation: UInt32) throws(NetlinkError) {
        guard !removal.isEmpty else { return }
        try exchange(BatchEncoder.encode(removal, generation: generation, firstSequence: batchSequence))
    }
}

/// Writes the messages of a removal.
private struct RemovalWriter: ~Copyable {
    private var writer = MessageWriter()
    private let firstSequence: UInt32
    private var sequence: UInt32
    private var last = 0

    init(generation: UInt32, firstSequence: UInt32) {
        self.firstSequence = firstSequence
        sequence = firstSequence
        let begin = writer.beginMessage(
            type: NFTMessage.batchBegin, flags: NetlinkFlag.request, sequence: sequence, family: 0,
            resourceID: UInt16(NFTMessage.subsystemNumber))
        writer.put(GenerationField.expected, generation)
        writer.endMessage(begin)
    }

    mutating func write(_ type: UInt16, _ family: IPFamily, _ fill: (inout MessageWriter) -> Void) {
        sequence += 1
        last = writer.beginMessage(
            type: NFTMessage.subsystem | type, flags: NetlinkFlag.request, sequence: sequence,
            family: family.netfilterNumber)
        fill(&writer)
        writer.endMessage(last)
    }

    consuming func finish() -> EncodedBatch {
        writer.setFlags(NetlinkFlag.acknowledge, ofMessageAt: last)
        let end = writer.beginMessage(
            type: NFTMessage.batchEnd, flags: NetlinkFlag.request, sequence: sequence + 1, family: 0,
            resourceID: UInt16(NFTMessage.subsystemNumber))
        writer.endMessage(end)
        return EncodedBatch(writer: writer, firstSequence: firstSequence, acknowledged: sequence)
    }
}

extension BatchEncoder {
    fileprivate static func encode(
        _ removal: ForeignRemoval, generation: UInt32, firstSequence: UInt32
    ) -> EncodedBatch {
        var batch = RemovalWriter(generation: generation, firstSequence: firstSequence)
        for rule in removal.rules {
            batch.write(NFTMessage.deleteRule, rule.family) {
                $0.put(RuleField.table, rule.table)
                $0.put(RuleField.chain, rule.chain)
                $0.header(RuleField.handle, payload: 8).storeBytes(of: rule.handle.bigEndian, as: UInt64.self)
            }
        }
        // All rules first: chains that lead to each other cannot go one by one.
        for chain in removal.chains {
            batch.write(NFTMessage.deleteRule, chain.family) {
                $0.put(RuleField.table, chain.table)
                $0.put(RuleField.chain, chain.name)
            }
        }
        for chain in removal.chains {
            batch.write(NFTMessage.deleteChain, chain.family) {
                $0.put(ChainField.table, chain.table)
                $0.put(ChainField.name, chain.name)
            }
        }
        for table in removal.tables {
            batch.write(NFTMessage.deleteTable, table.family) { $0.put(TableField.name, table.name) }
        }
        return batch.finish()
    }
}
