import Netfilter
import NetworkTypes

/// Removing what packets have added.
extension NftablesKernel {
    /// Removes elements that may be gone already: entries of packets expire by themselves. All of them in one transaction, so that no
    /// packet finds one half of what two maps hold of a client.
    ///
    /// The kernel removes an element whatever data a request names for its key (Linux 6.18), so a transaction cannot insist on what was
    /// read. It can insist on the generation, which every commit changes, and no packet does.
    ///
    /// - Parameters:
    ///   - elements: the elements of each set.
    ///   - generation: refuse with `staleGeneration` unless the ruleset is of this generation.
    /// - Returns: the number of transactions that it took.
    public func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(NetlinkError) -> Int {
        var transaction = Transaction(tableName: schema.name)
        for (set, elements) in elements where !elements.isEmpty {
            transaction.append(schema.family, .destroyElements(set, elements))
        }
        if transaction.isEmpty { return 0 }
        do throws(NetlinkError) {
            try commit(transaction, expecting: generation)
            return 1
        } catch {
            guard error.code == ErrorNumber.invalid || error.code == ErrorNumber.notSupported else { throw error }
            return try discardOneByOne(elements, in: schema, expecting: generation)
        }
    }

    /// For kernels before 6.3, where a missing element fails its batch: a batch for each key.
    private func discardOneByOne(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(NetlinkError) -> Int {
        var keys: [ElementKey] = []
        var transactions: [ElementKey: Transaction] = [:]
        for (set, elements) in elements {
            for element in elements {
                if transactions[element.key] == nil { keys.append(element.key) }
                transactions[element.key, default: Transaction(tableName: schema.name)]
                    .append(schema.family, .deleteElements(set, [element]))
            }
        }
        var count = 0
        for key in keys {
            guard let transaction = transactions[key] else { continue }
            do throws(NetlinkError) {
                try commit(transaction, expecting: generation &+ UInt32(count))
                count += 1
            } catch {
                // It expired meanwhile. What is left of a pair is for the next look.
                guard error.code == ErrorNumber.noEntry else { throw error }
            }
        }
        return count
    }
}
