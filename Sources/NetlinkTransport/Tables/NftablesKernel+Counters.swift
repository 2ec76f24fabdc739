import Netfilter
import NetworkTypes

/// An element and the packets that it has counted.
public struct CountedElement: Hashable, Sendable {
    /// The element, without what a map has for it.
    public var element: Element
    /// The packets.
    public var packets: UInt64
    /// Their bytes, from the network header on.
    public var bytes: UInt64
}

/// What a rule that hands packets on has counted.
public struct DuplicationCount: Hashable, Sendable {
    /// The rule's chain.
    public var chain: String
    /// The map that says where to.
    public var map: String
    /// The packets.
    public var packets: UInt64
}

extension NftablesKernel {
    /// Reads the counters of rules that look into a map and hand the packet on to what it says (`dup`).
    ///
    /// - Parameter chains: where such rules may be; a chain that is not there has none.
    public func duplications(
        in chains: [String], table: String, _ family: IPFamily
    ) throws(NetlinkError) -> [DuplicationCount] {
        var result: [DuplicationCount] = []
        for chain in chains {
            try request(
                NFTMessage.getRule, flags: NetlinkFlag.dump, family: family.netfilterNumber,
                operation: "read the counters of chain \(chain)"
            ) {
                $0.put(RuleField.table, table)
                $0.put(RuleField.chain, chain)
            } handle: { message in
                // Kernels that do not filter send all rules.
                guard message.attributes.first(RuleField.table)?.text == table,
                    message.attributes.first(RuleField.chain)?.text == chain,
                    let expressions = message.attributes.first(RuleField.expressions)
                else { return }
                if let count = Self.duplication(expressions, chain) { result.append(count) }
            }
        }
        return result
    }

    private static func duplication(_ expressions: NetlinkAttribute, _ chain: String) -> DuplicationCount? {
        var map: String?
        var isDuplicated = false
        for expression in expressions.nested {
            switch expression.nested.first(ExpressionField.name)?.text {
            case "lookup": map = expression.nested.first(ExpressionField.data)?.nested.first(LookupField.set)?.text
            case "dup": isDuplicated = true
            case "counter":
                // Behind the copy it counts copies.
                guard isDuplicated, let map, let counted = counter(expression) else { return nil }
                return DuplicationCount(chain: chain, map: map, packets: counted.packets)
            default: continue
            }
        }
        return nil
    }

    /// Reads the counters of a set; none if the set is not there.
    ///
    /// - Parameters:
    ///   - set: The set.
    ///   - table: The table's name.
    ///   - family: The table's family.
    ///   - limit: The most elements to return; the kernel hands out all of them anyway.
    public func counters(
        of set: SetDeclaration, table: String, _ family: IPFamily, limit: Int
    ) throws(NetlinkError) -> [CountedElement] {
        var result: [CountedElement] = []
        do throws(NetlinkError) {
            try request(
                NFTMessage.getElement, flags: NetlinkFlag.dump, family: family.netfilterNumber,
                operation: "read the counters of \(set.name)"
            ) {
                $0.put(ElementAttribute.listTable, table)
                $0.put(ElementAttribute.listSet, set.name)
            } handle: { message in
                guard let list = message.attributes.first(ElementAttribute.listElements) else { return }
                for item in list.nested where result.count < limit {
                    if let element = Self.counted(item) { result.append(element) }
                }
            }
        } catch {
            guard error.code != ErrorNumber.noEntry else { return [] }
            throw error
        }
        return result
    }

    private static func counted(_ item: NetlinkAttribute) -> CountedElement? {
        var key: ElementKey?
        var comment: String?
        var counted: (packets: UInt64, bytes: UInt64)?
        for attribute in item.nested {
            switch attribute.type {
            case ElementAttribute.key:
                key = attribute.nested.first(ElementAttribute.value).map { ElementKey(bytes: $0.value) }
            case ElementAttribute.userData: comment = UserData.comment(attribute.value)
            case ElementAttribute.expression: counted = Self.counter(attribute)
            default: continue
            }
        }
        guard let key, let counted else { return nil }
        return CountedElement(
            element: Element(key, comment: comment), packets: counted.packets, bytes: counted.bytes)
    }

    /// A counter as an expression: name 1, data 2; within the data bytes 1, packets 2 (`enum nft_counter_attributes`).
    private static func counter(_ expression: NetlinkAttribute) -> (packets: UInt64, bytes: UInt64)? {
        guard expression.nested.first(ExpressionField.name)?.text == "counter",
            let fields = expression.nested.first(ExpressionField.data)?.nested,
            let packets = number(fields.first(CounterField.packets)),
            let bytes = number(fields.first(CounterField.bytes))
        else { return nil }
        return (packets, bytes)
    }

    private static func number(_ attribute: NetlinkAttribute?) -> UInt64? {
        guard let value = attribute?.value, value.count == 8 else { return nil }
        return UInt64(bigEndian: value.loadUnaligned(as: UInt64.self))
    }
}
