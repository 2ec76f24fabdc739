import Netfilter
import NetworkTypes

/// A table with its elements, as an interpreter needs it: what was computed, or what the kernel was observed to have.
public struct Ruleset: Sendable {
    /// Sets, chains and rules.
    public let schema: TableSchema
    private let chains: [String: Chain]
    private var sets: [String: SetContents] = [:]

    /// A table with the elements of its sets.
    ///
    /// - Parameter elements: the elements by their keys; the value is the data of a map's element, or the last key of a
    ///   range.
    public init(schema: TableSchema, elements: [SetID: [ElementKey: ObservedElement]]) {
        self.schema = schema
        chains = Dictionary(schema.chains.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var looks: [String: [Selector]] = [:]
        for case (let set, let key)? in schema.chains.lazy.flatMap(\.rules).joined().map(\.slotLook) {
            looks[set] = key
        }
        slotLooks = looks.sorted { $0.key < $1.key }.map { ($0.value, $0.key) }
        for set in schema.sets {
            sets[set.name] = SetContents(set, schema.family, elements: elements[set.id] ?? [:])
        }
    }

    /// A table that was computed.
    public init(_ state: TableState) {
        self.init(
            schema: state.schema,
            elements: state.elements.merging(state.schema.verdicts) { given, _ in given }.mapValues { elements in
                Dictionary(elements.map { ($0.key, ObservedElement(of: $0)) }, uniquingKeysWith: { _, last in last })
            })
    }

    /// The chain of that name; nil if the table has none.
    public func chain(_ name: String) -> Chain? { chains[name] }

    /// The base chains at a point, in the order in which packets pass them.
    public func baseChains(at point: Chain.Hook.Point) -> [Chain] {
        schema.chains.filter { $0.hook?.point == point }.sorted { left, right in
            guard let left = left.hook, let right = right.hook else { return false }
            return (left.place, left.priority) < (right.place, right.priority)
        }
    }

    /// The sets and maps that rules look into by a slot that a hash of source address and port makes, each with the key of the look.
    let slotLooks: [(key: [Selector], set: String)]

    /// What a set or map has for a key; nil if it has nothing.
    public func find(_ key: ElementKey, in set: String) -> ObservedElement? { sets[set]?.find(key) }

    /// The declaration of a set or map.
    func declaration(_ set: String) -> SetDeclaration? { sets[set]?.declaration }
}

extension Chain.Hook {
    /// Where the kernel runs the chain. It has one place for all nat chains of a hook: where destinations are translated, or
    /// sources. Their priorities are their order among themselves.
    fileprivate var place: Int32 {
        switch kind {
        case .filter: priority
        case .nat: point == .postrouting ? 100 : -100
        }
    }
}

/// A set or map with its elements.
struct SetContents: Sendable {
    let declaration: SetDeclaration
    private let family: IPFamily
    private let elements: [ElementKey: ObservedElement]

    init(_ declaration: SetDeclaration, _ family: IPFamily, elements: [ElementKey: ObservedElement]) {
        self.declaration = declaration
        self.family = family
        self.elements = elements
    }

    func find(_ key: ElementKey) -> ObservedElement? {
        guard declaration.isInterval else { return elements[key] }
        return elements.first { isWithin(key, from: $0.key, to: $0.value.value) }?.value
    }

    /// Each field by itself has to be within its bounds, as the kernel has it for ranges over a concatenation.
    private func isWithin(_ key: ElementKey, from first: ElementKey, to last: ElementKey) -> Bool {
        var offset = 0
        for field in declaration.key {
            let end = offset + field.valueType.width(family)
            for (lower, upper) in [(first, key), (key, last)] {
                let words = stride(from: offset, to: end, by: 4)
                guard let differing = words.first(where: { lower[$0] != upper[$0] }) else { continue }
                if lower[differing] > upper[differing] { return false }
            }
            offset = end
        }
        return true
    }
}

extension ElementKey {
    /// The address at an offset.
    func address(at offset: Int, _ family: IPFamily) -> IPAddress {
        func half(_ start: Int) -> UInt64 { UInt64(self[start]) << 32 | UInt64(self[start + 4]) }
        return switch family {
        case .ipv4: .v4(IPv4Address(rawValue: self[offset]))
        case .ipv6: .v6(IPv6Address(high: half(offset), low: half(offset + 8)))
        }
    }

    /// The port at an offset: the first two of four bytes.
    func port(at offset: Int) -> UInt16 { UInt16(self[offset] >> 16) }

    /// The number in host byte order at an offset: a slot or a packet priority.
    func number(at offset: Int) -> UInt32 { UInt32(bigEndian: self[offset]) }
}
