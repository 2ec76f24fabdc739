import Netfilter
import NetworkTypes

/// Reading elements.
extension NftablesKernel {
    /// Reads the elements of a set into a table.
    ///
    /// - Parameter count: how many the set has; nil on kernels that do not tell. Of intervals the kernel tells another
    ///   number than that of the elements that it hands over.
    func observeElements(
        of set: SetDeclaration, in schema: TableSchema, count: Int?, _ guesses: ElementGuesses?,
        into table: inout ObservedTable
    ) throws(NetlinkError) {
        let count = set.isInterval ? nil : count
        if count == 0 { return }
        if let guesses, let count, count > dumpLimit {
            let guess = { round, keys in guesses.guess(schema.family, set.id, round, table, &keys) }
            if let elements = try elements(of: set, in: schema, count: count, guess) {
                table.elements[set.id] = elements
                setsReadByKey += 1
                return
            }
        }
        let elements = try allElements(of: set, in: schema, count: count)
        if !elements.isEmpty { table.elements[set.id] = elements }
    }

    // MARK: Dumps

    /// Reads a set again until nothing is missing.
    ///
    /// While a hash table grows, which it does for a while after a large commit, a dump can skip elements without a sign of it; the
    /// generation stays the same. So a dump counts only if it has as many elements as the kernel says, or, where it does not say, if
    /// two dumps agree. That goes for every set: a small one grows as well. A number that no dump comes to, although one is like the
    /// other again and again, is believed to mean something else.
    private func allElements(
        of set: SetDeclaration, in schema: TableSchema, count: Int?
    ) throws(NetlinkError) -> ObservedElements {
        var elements = try dump(set, in: schema, count: count ?? 0)
        var likeness = 0
        for _ in 0..<Self.attempts {
            if elements.count == count { return elements }
            let again = try dump(set, in: schema, count: elements.count)
            likeness = again == elements ? likeness + 1 : 0
            if likeness >= (count == nil ? 1 : Self.convincingLikeness) { return elements }
            elements = again
        }
        throw .interrupted(operation: "list the elements of \(set.name)")
    }

    /// Reads the elements of one set, with those that packets have added: once, so that some may be missing if they change meanwhile.
    public func elements(of set: SetDeclaration, in schema: TableSchema) throws(NetlinkError) -> ObservedElements {
        try dump(set, in: schema, count: 0)
    }

    /// Reads those elements of a set that have one of the keys.
    public func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(NetlinkError) -> [ElementKey: ObservedElement] {
        var runs = KeyRuns(keyBytes: set.key.width(schema.family))
        for key in keys { runs.append(key) }
        var elements = Self.container(for: set, schema.family, capacity: keys.count)
        let keyBytes = set.key.declaredWidth(schema.family)
        var position = 0
        while position < keys.count {
            let range = position..<min(position + lookupCapacity, keys.count)
            let found = try lookUp(
                set, in: schema, keyBytes: keyBytes, runs, range, isAppending: false, into: &elements)
            // A key that is missing ends the answer.
            position += found == range.count ? found : found + 1
        }
        return Dictionary(elements.map { ($0.key, $0.value) }) { $1 }
    }

    /// So many dumps in a row that are like the one before mean more than a number.
    private static let convincingLikeness = 4

    private func dump(
        _ set: SetDeclaration, in schema: TableSchema, count: Int
    ) throws(NetlinkError) -> ObservedElements {
        var elements = Self.container(for: set, schema.family, capacity: count)
        var bounds: [(key: ElementKey, isEnd: Bool)] = []
        dumps += 1
        let isRange = set.isInterval && !set.isIntervalConcatenation
        let verdictPrefix = set.data.verdictPrefix
        try request(
            NFTMessage.getElement, flags: NetlinkFlag.dump, family: schema.family.netfilterNumber,
            operation: "list the elements of \(set.name)"
        ) {
            $0.put(ElementAttribute.listTable, schema.name)
            $0.put(ElementAttribute.listSet, set.name)
        } handle: { message in
            guard let list = message.attributes.first(ElementAttribute.listElements) else { return }
            for item in list.nested {
                if isRange {
                    if let element = ReceivedElement(item) { bounds.append((element.key, element.isEnd)) }
                } else {
                    ReceivedElement(item, verdictPrefix: verdictPrefix)?.insert(into: &elements)
                }
            }
        }
        if isRange { Self.join(bounds, bytes: set.key.width(schema.family), into: &elements) }
        return elements
    }

    private static func container(
        for set: SetDeclaration, _ family: IPFamily, capacity: Int, forAppending: Bool = false
    ) -> ObservedElements {
        let keyBytes = set.key.width(family)
        var elements = ObservedElements(
            keyBytes: keyBytes, valueBytes: set.isInterval ? keyBytes : set.data.width(family))
        elements.reserveCapacity(capacity, forAppending: forAppending)
        return elements
    }

    /// Joins the two elements that an interval is made of. An end without a start (`nft` writes one at zero) is none.
    private static func join(
        _ bounds: [(key: ElementKey, isEnd: Bool)], bytes: Int, into result: inout ObservedElements
    ) {
        var start: ElementKey?
        var highest = ElementKey()
        for offset in stride(from: 0, to: bytes, by: 4) { highest[offset] = .max }
        for bound in bounds.sorted(by: { ($0.key, $0.isEnd ? 0 : 1) < ($1.key, $1.isEnd ? 0 : 1) }) {
            if let first = start { result.insert(first, bound.key.decremented(bytes: bytes)) }
            start = bound.isEnd ? nil : bound.key
        }
        if let start { result.insert(start, highest) }
    }

    // MARK: By key

    /// Reads the large sets that need no other on another thread, by the reader's socket. Nil if there are none; what the thread
    /// could not read has to be read in its turn.
    func readBeside(
        _ sets: [SetDeclaration], _ counts: [String: Int], _ guesses: ElementGuesses, _ schema: TableSchema
    ) -> CompanionThread<[SetID: ObservedElements]>? {
        let chosen = guesses.independent.compactMap { id -> (set: SetDeclaration, count: Int)? in
            guard let set = sets.first(where: { $0.id == id }), !set.isInterval, let count = counts[set.name],
                count > dumpLimit
            else { return nil }
            return (set, count)
        }
        guard let reader, !chosen.isEmpty else { return nil }
        return CompanionThread {
            reader.withLock { reader in
                var found: [SetID: ObservedElements] = [:]
                for (set, count) in chosen {
                    // A failure will show again, or was a neighbour's commit.
                    found[set.id] = try? reader.elements(of: set, in: schema, count: count) { round, keys in
                        if round == 0 { guesses.guess(schema.family, set.id, 0, ObservedTable(), &keys) }
                    }
                }
                return found
            }
        }
    }

    /// Reads the elements that a set has of the guessed ones. Nil if those are not all that it has.
    ///
    /// - Parameters:
    ///   - count: how many elements the set has.
    ///   - guess: adds the guesses of a round.
    private func elements(
        of set: SetDeclaration, in schema: TableSchema, count: Int, _ guess: (Int, inout KeyRuns) -> Void
    ) throws(NetlinkError) -> ObservedElements? {
        var elements = Self.container(for: set, schema.family, capacity: count, forAppending: true)
        for round in 0... {
            var keys = KeyRuns(keyBytes: set.key.width(schema.family))
            keys.reserveCapacity(count)
            guess(round, &keys)
            if keys.count == 0 { return nil }
            // What the kernel has of different keys are different elements.
            let isAppending = round == 0 && keys.areDifferent
            do throws(NetlinkError) {
                try lookUp(set, in: schema, keys, until: count, isAppending: isAppending, into: &elements)
            } catch {
                // The answers do not fit the buffers; a dump does.
                guard error.code == ErrorNumber.noBufferSpace || error.code == ErrorNumber.messageSize else {
                    throw error
                }
                return nil
            }
            if elements.count == count { break }
        }
        elements.finish()
        return elements
    }

    /// Asks for elements by key until there are so many.
    private func lookUp(
        _ set: SetDeclaration, in schema: TableSchema, _ keys: KeyRuns, until count: Int, isAppending: Bool,
        into elements: inout ObservedElements
    ) throws(NetlinkError) {
        let keyBytes = set.key.declaredWidth(schema.family)
        var position = 0
        var run = 0
        // A key that is missing ends the answer to its request: after one, others may be near.
        var size = lookupCapacity
        while position < keys.count, elements.count < count {
            let end = min(position + size, keys.count)
            let found = try lookUp(
                set, in: schema, keyBytes: keyBytes, keys, position..<end, isAppending: isAppending, into: &elements)
            if found == end - position {
                position = end
                size = min(size * 2, lookupCapacity)
            } else {
                position = keys.end(of: position + found, run: &run)
                size = max(size / 2, 16)
            }
        }
    }

    /// Asks for elements by key. Returns how many of them, from the first on, are there.
    private func lookUp(
        _ set: SetDeclaration, in schema: TableSchema, keyBytes: Int, _ keys: KeyRuns, _ range: Range<Int>,
        isAppending: Bool, into elements: inout ObservedElements
    ) throws(NetlinkError) -> Int {
        var found = 0
        let operation = "look up elements of \(set.name)"
        try requestMany(
            NFTMessage.getElement, family: schema.family.netfilterNumber, operation: operation,
            accepting: ErrorNumber.noEntry
        ) { writer in
            writer.put(ElementAttribute.listTable, schema.name)
            writer.put(ElementAttribute.listSet, set.name)
            let list = writer.beginNest(ElementAttribute.listElements)
            for index in range {
                let item = writer.beginNest(ElementAttribute.item)
                let nest = writer.beginNest(ElementAttribute.key)
                keys[index].write(to: writer.header(ElementAttribute.value, payload: keyBytes), count: keyBytes)
                writer.endNest(nest)
                writer.endNest(item)
            }
            writer.endNest(list)
        } handle: { message in
            guard let list = message.attributes.first(ElementAttribute.listElements) else { return }
            for item in list.nested {
                if let element = ReceivedElement(item) {
                    if isAppending {
                        elements.append(element.key, element.value, comment: element.comment)
                    } else {
                        element.insert(into: &elements)
                    }
                }
                found += 1
            }
        }
        return found
    }
}

/// An element of a dump.
struct ReceivedElement {
    var key = ElementKey()
    var value = ElementKey()
    var comment: UnsafeRawBufferPointer?
    var isEnd = false

    /// - Parameter verdictPrefix: what the chains' names begin with, if the element is of a map of verdicts.
    init?(_ item: NetlinkAttribute, verdictPrefix: String? = nil) {
        var hasKey = false
        for attribute in item.nested {
            switch attribute.type {
            case ElementAttribute.key:
                guard let bytes = attribute.nested.first(ElementAttribute.value)?.value else { return nil }
                key = ElementKey(bytes: bytes)
                hasKey = true
            case ElementAttribute.data, ElementAttribute.keyEnd:
                if let bytes = attribute.nested.first(ElementAttribute.value)?.value {
                    value = ElementKey(bytes: bytes)
                } else if let verdictPrefix {
                    value[0] = Self.number(attribute.nested.first(DataField.verdict), behind: verdictPrefix)
                }
            case ElementAttribute.flags: isEnd = (attribute.number ?? 0) & ElementAttribute.intervalEnd != 0
            case ElementAttribute.userData: comment = UserData.commentBytes(attribute.value)
            default: continue
            }
        }
        if !hasKey { return nil }
    }

    /// The number of the chain that a verdict leads to, in host byte order as elements hold it; the largest one if it is another
    /// verdict, which no chain of ours has.
    private static func number(_ verdict: NetlinkAttribute?, behind prefix: String) -> UInt32 {
        guard let fields = verdict?.nested,
            fields.first(VerdictField.code)?.number == UInt32(bitPattern: VerdictField.goto),
            let chain = fields.first(VerdictField.chain)?.text, chain.hasPrefix(prefix),
            let number = UInt32(chain.dropFirst(prefix.count)), chain == "\(prefix)\(number)"
        else { return .max }
        return number.bigEndian
    }

    func insert(into elements: inout ObservedElements) { elements.insert(key, value, comment: comment) }
}
