/// Whether a rule that the kernel sent is one that libnftnl can read.
///
/// libnftnl (seen with 1.2.4) trusts the kernel, and may end the process over what no kernel sends. So it is handed nothing but the
/// expressions that `RuleEncoder` writes, with everything in its place. Any other rule is none of ours.
enum RuleForm {
    /// What an attribute holds.
    private enum Content {
        /// A number of so many bytes.
        case number(Int)
        /// Ends with a zero.
        case text
        /// Bytes for a register, in a nest.
        case value
        /// The same, or a verdict.
        case valueOrVerdict
        /// Nothing that Fairlead's rules have.
        case foreign
    }

    /// Attributes of expressions by their numbers (`enum nft_*_attributes`). What is missing here libnftnl does not look at, or the
    /// kernel had no name for it yet.
    private static let expressions: [String: [UInt16: Content]] = [
        "bitwise": numbers([1, 2, 3, 6, 8], [4: .value, 5: .value, 7: .value]),
        "cmp": numbers([1, 2], [3: .value]),
        "counter": [1: .number(8), 2: .number(8)],
        "ct": numbers([1, 2, 4], [3: .number(1)]),
        "dynset": numbers([2, 3, 4, 5, 9], [1: .text, 6: .number(8), 7: .foreign, 10: .foreign]),
        "fib": numbers([1, 2, 3]),
        "hash": numbers([1, 2, 3, 4, 5, 6, 7]),
        "immediate": [1: .number(4), 2: .valueOrVerdict],
        "lookup": numbers([2, 3, 4, 5], [1: .text]),
        "masq": numbers([1, 2, 3]),
        "meta": numbers([1, 2, 3]),
        "nat": numbers([1, 2, 3, 4, 5, 6, 7]),
        "numgen": numbers([1, 2, 3, 4]),
        "payload": numbers([1, 2, 3, 4, 5, 6, 7, 8]),
        "reject": [1: .number(4), 2: .number(1)],
    ]

    /// `enum nft_rule_attributes` but for the expressions: table, chain, handle, what iptables adds, position, and numbers of
    /// transactions.
    private static let rule: [UInt16: Content] = [
        1: .text, 2: .text, 3: .number(8), 5: .foreign, 6: .number(8), 9: .number(4), 10: .number(4), 11: .number(4),
    ]

    private static let verdict: [UInt16: Content] = [1: .number(4), 2: .text, 3: .number(4)]
    /// `NFT_JUMP` and `NFT_GOTO`.
    private static let jumps: Set<Int32> = [-3, -4]
    private static let listElement: UInt16 = 1
    /// What the registers hold.
    private static let longestValue = 64

    private static func numbers(_ types: [UInt16], _ others: [UInt16: Content] = [:]) -> [UInt16: Content] {
        types.reduce(into: others) { $0[$1] = .number(4) }
    }

    /// Whether libnftnl can be given the message.
    static func isReadable(_ message: NetlinkMessage) -> Bool {
        // Of a message that ends between two words, libmnl reads the rest of the last word as well.
        guard message.payload.count >= 4, message.payload.count.isMultiple(of: 4) else { return false }
        return message.attributes.allSatisfy { attribute in
            guard attribute.type == 4 else { return holds(attribute, rule[attribute.type]) }
            return attribute.nested.allSatisfy { $0.type == listElement && isExpression($0.nested) }
        }
    }

    /// A name, and most often data. If one of them stands there twice, libnftnl may take the other one than we.
    private static func isExpression(_ attributes: AttributeSequence) -> Bool {
        let names = attributes.filter { $0.type == 1 }
        let data = attributes.filter { $0.type == 2 }
        guard names.count == 1, data.count <= 1, holds(names[0], .text), let form = expressions[names[0].text] else {
            return false
        }
        // A nest is empty, or has room for an attribute.
        return data.allSatisfy { nest in
            (nest.value.isEmpty || nest.value.count >= 4) && nest.nested.allSatisfy { holds($0, form[$0.type]) }
        }
    }

    private static func holds(_ attribute: NetlinkAttribute, _ content: Content?) -> Bool {
        switch content {
        case .number(let bytes): attribute.value.count == bytes
        case .text: attribute.value.contains(0)
        case .value: isData(attribute.nested, orVerdict: false)
        case .valueOrVerdict: isData(attribute.nested, orVerdict: true)
        case .foreign: false
        case nil: true
        }
    }

    /// `enum nft_verdict_attributes`: code 1, chain 2. Who jumps has to say where to: libnftnl 1.2 looks for what is missing wherever
    /// its stack points.
    private static func isVerdict(_ fields: AttributeSequence) -> Bool {
        guard fields.allSatisfy({ holds($0, verdict[$0.type]) }) else { return false }
        let codes = fields.filter { $0.type == 1 }.compactMap(\.number).map { Int32(bitPattern: $0) }
        return codes.count == 1 && (!jumps.contains(codes[0]) || fields.first(2) != nil)
    }

    /// `enum nft_data_attributes`: value 1, verdict 2.
    private static func isData(_ attributes: AttributeSequence, orVerdict: Bool) -> Bool {
        let parts = Array(attributes)
        guard parts.count == 1 else { return false }
        switch parts[0].type {
        case 1: return (1...longestValue).contains(parts[0].value.count)
        case 2:
            return orVerdict && isVerdict(parts[0].nested)
        default: return false
        }
    }
}
