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

    /// Whether `nft` shows the key by type (`type ipv4_addr`) and not by `typeof`: a lone address needs no user data.
    public var isPlainAddressSet: Bool { key.count == 1 && data.isEmpty && key[0].valueType == .address }
}
