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

    /// Attributes of expressions. What is missing here libnftnl does not look at, or the kernel had no name for it yet.
    private static let expressions: [String: [UInt16: Content]] = [
        "bitwise": numbers(
            [
                BitwiseField.source, BitwiseField.target, BitwiseField.length, BitwiseField.operation,
                BitwiseField.secondSource,
            ], [BitwiseField.mask: .value, BitwiseField.xor: .value, BitwiseField.data: .value]),
        "cmp": numbers([CompareField.source, CompareField.operation], [CompareField.data: .value]),
        "counter": [CounterField.bytes: .number(8), CounterField.packets: .number(8)],
        "ct": numbers(
            [ConnectionField.target, ConnectionField.key, ConnectionField.source],
            [ConnectionField.direction: .number(1)]),
        "dup": numbers([DuplicateField.address, DuplicateField.device]),
        "dynset": numbers(
            [
                DynamicSetField.setID, DynamicSetField.operation, DynamicSetField.key, DynamicSetField.data,
                DynamicSetField.flags,
            ],
            [
                DynamicSetField.set: .text, DynamicSetField.timeout: .number(8), DynamicSetField.expression: .foreign,
                DynamicSetField.expressions: .foreign,
            ]),
        "fib": numbers([RouteLookupField.target, RouteLookupField.result, RouteLookupField.flags]),
        "hash": numbers([
            HashField.source, HashField.target, HashField.length, HashField.modulus, HashField.seed, HashField.offset,
            HashField.type,
        ]),
        "immediate": [ImmediateField.target: .number(4), ImmediateField.data: .valueOrVerdict],
        "lookup": numbers(
            [LookupField.source, LookupField.target, LookupField.setID, LookupField.flags], [LookupField.set: .text]),
        "masq": numbers([MasqueradeField.flags, MasqueradeField.firstPort, MasqueradeField.lastPort]),
        "meta": numbers([MetaField.target, MetaField.key, MetaField.source]),
        "nat": numbers([
            TranslationField.type, TranslationField.family, TranslationField.firstAddress, TranslationField.lastAddress,
            TranslationField.firstPort, TranslationField.lastPort, TranslationField.flags,
        ]),
        "numgen": numbers([
            NumberGeneratorField.target, NumberGeneratorField.modulus, NumberGeneratorField.type,
            NumberGeneratorField.offset,
        ]),
        "payload": numbers([
            PayloadField.target, PayloadField.base, PayloadField.offset, PayloadField.length, PayloadField.source,
            PayloadField.checksumType, PayloadField.checksumOffset, PayloadField.checksumFlags,
        ]),
        "reject": [RejectField.type: .number(4), RejectField.code: .number(1)],
    ]

    /// Attributes of a rule but for the expressions.
    private static let rule: [UInt16: Content] = [
        RuleField.table: .text, RuleField.chain: .text, RuleField.handle: .number(8),
        RuleField.compatibility: .foreign, RuleField.position: .number(8), RuleField.id: .number(4),
        RuleField.positionID: .number(4), RuleField.chainID: .number(4),
    ]

    private static let verdict: [UInt16: Content] = [
        VerdictField.code: .number(4), VerdictField.chain: .text, VerdictField.chainID: .number(4),
    ]
    private static let jumps: Set<Int32> = [VerdictField.jump, VerdictField.goto]
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
            guard attribute.type == RuleField.expressions else { return holds(attribute, rule[attribute.type]) }
            return attribute.nested.allSatisfy { $0.type == ExpressionField.listElement && isExpression($0.nested) }
        }
    }

    /// A name, and most often data. If one of them stands there twice, libnftnl may take the other one than we.
    private static func isExpression(_ attributes: AttributeSequence) -> Bool {
        let names = attributes.filter { $0.type == ExpressionField.name }
        let data = attributes.filter { $0.type == ExpressionField.data }
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

    /// Who jumps has to say where to: libnftnl 1.2 looks for what is missing wherever
    /// its stack points.
    private static func isVerdict(_ fields: AttributeSequence) -> Bool {
        guard fields.allSatisfy({ holds($0, verdict[$0.type]) }) else { return false }
        let codes = fields.filter { $0.type == VerdictField.code }.compactMap(\.number).map { Int32(bitPattern: $0) }
        return codes.count == 1 && (!jumps.contains(codes[0]) || fields.first(VerdictField.chain) != nil)
    }

    /// One value that fits a register, or a verdict.
    private static func isData(_ attributes: AttributeSequence, orVerdict: Bool) -> Bool {
        let parts = Array(attributes)
        guard parts.count == 1 else { return false }
        switch parts[0].type {
        case DataField.value: return (1...longestValue).contains(parts[0].value.count)
        case DataField.verdict:
            return orVerdict && isVerdict(parts[0].nested)
        default: return false
        }
    }
}
