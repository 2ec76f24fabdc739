import NetworkTypes

/// Which set of a table: an index into the table's `SetDeclaration`s that stays the same from version to version.
public struct SetID: Hashable, Sendable, Comparable {
    /// The index.
    public var rawValue: UInt16

    /// Makes an identity.
    @inlinable public init(_ rawValue: UInt16) { self.rawValue = rawValue }

    /// Sets sort by index.
    @inlinable public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// A named set or map of a table, without its elements.
public struct SetDeclaration: Hashable, Sendable {
    /// Which set this is.
    public var id: SetID
    /// The name in the kernel.
    public var name: String
    /// The fields of the key.
    public var key: [Selector]
    /// The fields of the data; empty for a set, else this is a map.
    public var data: [Selector]
    /// Whether the last field of each element's key stands for a range.
    public var isInterval: Bool
    /// Whether the packet path itself adds elements, which go when their time is up. Nobody plans those.
    public var isDynamic: Bool
    /// The most elements that the set takes; nil for no limit.
    public var size: UInt32?
    /// Whether each element counts the packets that matched it.
    public var countsPackets: Bool
    /// What the set is for; `nft` shows it.
    public var comment: String?

    /// Declares a set or, with data, a map.
    public init(
        _ id: SetID, _ name: String, key: [Selector], data: [Selector] = [], isInterval: Bool = false,
        isDynamic: Bool = false, size: UInt32? = nil, countsPackets: Bool = false, comment: String? = nil
    ) {
        self.id = id
        self.name = name
        self.key = key
        self.data = data
        self.isInterval = isInterval
        self.isDynamic = isDynamic
        self.size = size
        self.countsPackets = countsPackets
        self.comment = comment
    }

    /// Whether the kernel keeps the set as ranges over a concatenation: each element then has a first and a last key.
    public var isIntervalConcatenation: Bool { isInterval && key.count > 1 }

    /// Whether this is a map.
    public var isMap: Bool { !data.isEmpty }

    /// The name of the chain that an element leads to; nil if this is no map of verdicts.
    public func chain(of element: Element) -> String? {
        guard data.count == 1, case .chain(let prefix) = data[0], let number = element.data?[0] else { return nil }
        return "\(prefix)\(UInt32(bigEndian: number))"
    }

    /// Whether `nft` shows the key by type (`type ipv4_addr`) and not by `typeof`: a lone address needs no user data.
    public var isPlainAddressSet: Bool { key.count == 1 && data.isEmpty && key[0].valueType == .address }
}

extension SetDeclaration {
    /// Whether a set that was declared in the other way can stay in this one's place: key, data and flags are the same. What a
    /// set says of itself (its comment, and how `nft` shows its key) does not matter, and its size neither.
    public func hasForm(of other: SetDeclaration) -> Bool {
        hasElements(of: other) && isDynamic == other.isDynamic && countsPackets == other.countsPackets
    }

    /// Whether the elements of a set that was declared in the other way are elements of this one.
    public func hasElements(of other: SetDeclaration) -> Bool {
        key.map(\.valueType) == other.key.map(\.valueType) && data.map(\.valueType) == other.data.map(\.valueType)
            && isInterval == other.isInterval
    }

    /// What a set is called that stands in for this one, while that is recreated in another form. There are two such names, for a
    /// set of yet another form may bear one.
    public static func interimNames(of name: String) -> [String] { ["\(name).new", "\(name).next"] }

    /// The same set under another name.
    public func named(_ name: String) -> SetDeclaration {
        var copy = self
        copy.name = name
        return copy
    }
}

extension Statement {
    /// The same with other names of sets.
    func renaming(_ names: [String: String]) -> Statement {
        func name(_ set: String) -> String { names[set] ?? set }
        return switch self {
        case .lookup(let key, let set, let negated): .lookup(key, set: name(set), negated: negated)
        case .setPriority(let key, let map): .setPriority(key, map: name(map))
        case .dispatch(let key, let map): .dispatch(key, map: name(map))
        case .update(let key, let map, let data, let seconds):
            .update(key, map: name(map), data: data, seconds: seconds)
        case .destinationNATFromTwo(let key, let addresses, let ports):
            .destinationNATFromTwo(key, addresses: name(addresses), ports: name(ports))
        case .destinationNAT(let key, let map): .destinationNAT(key, map: name(map))
        case .duplicate(let key, let map): .duplicate(key, map: name(map))
        case .connectionState, .connectionStateIsNot, .isDestinationTranslated, .isConfirmed, .isReply, .transport,
            .originalProtocol,
            .sourceIsLocal, .sourceIsNotLocal, .destinationIsNotLocal, .inputInterface, .hasInputInterface, .counter,
            .hasPriority, .priorityHasBits, .resetPriority, .masquerade, .rejectWithReset, .reject, .accept, .drop,
            .hasCodePoint, .setCodePoint, .hasHopLimit, .continuesConnection, .reportsUnreachable, .leave, .jump, .goto:
            self
        }
    }
}

extension TableSchema {
    /// The same table with other names of sets, in declarations and in rules.
    public func renaming(_ names: [String: String]) -> TableSchema {
        if names.isEmpty { return self }
        var copy = self
        for index in sets.indices { copy.sets[index].name = names[sets[index].name] ?? sets[index].name }
        for index in chains.indices {
            copy.chains[index].rules = Self.renaming(chains[index].rules, names)
        }
        return copy
    }

    /// The same rules with other names of sets.
    public static func renaming(_ rules: [Rule], _ names: [String: String]) -> [Rule] {
        rules.map { $0.map { $0.renaming(names) } }
    }
}
