import Netfilter
import NetworkTypes

/// Writes elements as netlink messages, straight from their inline bytes.
///
/// This is the hot path: an element costs no allocation. libnftnl writes the rest of a batch.
struct ElementEncoder {
    /// A list attribute has a 16-bit length; leave room for the headers and one element more.
    private static let listLimit = 60_000

    let family: IPFamily
    let tableName: String
    let declaration: SetDeclaration
    let messageType: UInt16

    private var isDeletion: Bool { messageType != NFTMessage.newElement }

    /// Writes the elements in as many messages as they need.
    func write(_ elements: [Element], to writer: inout MessageWriter, sequence: inout UInt32) {
        let keyBytes = declaration.key.declaredWidth(family)
        let dataBytes = declaration.data.declaredWidth(family)
        var index = 0
        while index < elements.count {
            let message = writer.beginMessage(
                type: NFTMessage.subsystem | messageType,
                flags: NetlinkFlag.request | (isDeletion ? 0 : NetlinkFlag.create), sequence: sequence,
                family: family.netfilterNumber)
            sequence += 1
            writer.put(ElementAttribute.listTable, tableName)
            writer.put(ElementAttribute.listSet, declaration.name)
            let list = writer.beginNest(ElementAttribute.listElements)
            while index < elements.count, writer.count - list < Self.listLimit {
                if declaration.isInterval, !declaration.isIntervalConcatenation {
                    writeInterval(elements[index], keyBytes: keyBytes, to: &writer)
                } else {
                    writeElement(elements[index], keyBytes: keyBytes, dataBytes: dataBytes, to: &writer)
                }
                index += 1
            }
            writer.endNest(list)
            writer.endMessage(message)
        }
    }

    private func writeElement(
        _ element: Element, keyBytes: Int, dataBytes: Int, to writer: inout MessageWriter
    ) {
        let item = writer.beginNest(ElementAttribute.item)
        writeValue(ElementAttribute.key, element.key, bytes: keyBytes, to: &writer)
        if let end = element.keyEnd { writeValue(ElementAttribute.keyEnd, end, bytes: keyBytes, to: &writer) }
        if !isDeletion {
            if let data = element.data {
                if let prefix = declaration.data.verdictPrefix {
                    writeVerdict(prefix + "\(UInt32(bigEndian: data[0]))", to: &writer)
                } else {
                    writeValue(ElementAttribute.data, data, bytes: dataBytes, to: &writer)
                }
            }
            if let comment = element.comment { UserData.write(comment: comment, to: &writer) }
        }
        writer.endNest(item)
    }

    /// An interval is two elements: the first address, and the first one behind it, marked as an end. The end of the
    /// whole address space has no such mark.
    private func writeInterval(_ element: Element, keyBytes: Int, to writer: inout MessageWriter) {
        let first = writer.beginNest(ElementAttribute.item)
        writeValue(ElementAttribute.key, element.key, bytes: keyBytes, to: &writer)
        writer.endNest(first)
        guard let end = (element.keyEnd ?? element.key).incremented(bytes: keyBytes) else { return }
        let last = writer.beginNest(ElementAttribute.item)
        writeValue(ElementAttribute.key, end, bytes: keyBytes, to: &writer)
        writer.put(ElementAttribute.flags, ElementAttribute.intervalEnd)
        writer.endNest(last)
    }

    private func writeVerdict(_ chain: String, to writer: inout MessageWriter) {
        let nest = writer.beginNest(ElementAttribute.data)
        let verdict = writer.beginNest(DataField.verdict)
        writer.put(VerdictField.code, UInt32(bitPattern: VerdictField.goto))
        writer.put(VerdictField.chain, chain)
        writer.endNest(verdict)
        writer.endNest(nest)
    }

    private func writeValue(_ type: UInt16, _ value: ElementKey, bytes: Int, to writer: inout MessageWriter) {
        let nest = writer.beginNest(type)
        value.write(to: writer.header(ElementAttribute.value, payload: bytes), count: bytes)
        writer.endNest(nest)
    }
}

extension ElementKey {
    /// The next key when the first `bytes` are taken as one number; nil after the last one.
    func incremented(bytes: Int) -> ElementKey? {
        var result = self
        for offset in stride(from: bytes - 4, through: 0, by: -4) {
            result[offset] &+= 1
            if result[offset] != 0 { return result }
        }
        return nil
    }

    /// The key before, when the first `bytes` are taken as one number.
    func decremented(bytes: Int) -> ElementKey {
        var result = self
        for offset in stride(from: bytes - 4, through: 0, by: -4) {
            result[offset] &-= 1
            if result[offset] != .max { break }
        }
        return result
    }
}

/// The data that the kernel keeps for user space: how `nft` shows a set, and comments.
enum UserData {
    private static let commentOfElement: UInt8 = 0
    private static let commentOfSet: UInt8 = 7
    private static let keyByteOrder: UInt8 = 0
    private static let dataByteOrder: UInt8 = 1
    private static let keyTypeOf: UInt8 = 3
    private static let dataTypeOf: UInt8 = 4
    private static let dataInterval: UInt8 = 6

    static func write(comment: String, to writer: inout MessageWriter) {
        let bytes = comment.utf8.count
        let target = writer.header(ElementAttribute.userData, payload: bytes + 3)
        target.storeBytes(of: commentOfElement, as: UInt8.self)
        target.storeBytes(of: UInt8(bytes + 1), toByteOffset: 1, as: UInt8.self)
        var comment = comment
        comment.withUTF8 { utf8 in
            if let source = utf8.baseAddress { (target + 2).copyMemory(from: source, byteCount: bytes) }
        }
        target.storeBytes(of: 0, toByteOffset: bytes + 2, as: UInt8.self)
    }

    /// The comment in an element's user data; nil if there is none.
    static func comment(_ bytes: UnsafeRawBufferPointer) -> String? {
        commentBytes(bytes).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Where the comment stands in an element's user data; nil if there is none.
    static func commentBytes(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var offset = 0
        while offset + 2 <= bytes.count {
            let length = Int(bytes[offset + 1])
            guard offset + 2 + length <= bytes.count else { return nil }
            if bytes[offset] == commentOfElement {
                return UnsafeRawBufferPointer(
                    rebasing: bytes[(offset + 2)..<(offset + 2 + length)].prefix { $0 != 0 })
            }
            offset += 2 + length
        }
        return nil
    }

    /// The comment of a table or chain: type 0, text with its zero.
    static func comment(_ text: String) -> [UInt8] { entry(0, Array(text.utf8) + [0]) }

    /// What `nft` needs to show a set as it was declared.
    static func declaration(_ set: SetDeclaration, _ family: IPFamily) -> [UInt8] {
        var bytes = entry(keyByteOrder, number(byteOrder(set.key)))
        if !set.isPlainAddressSet {
            if set.isMap { bytes += entry(dataByteOrder, number(byteOrder(set.data))) }
            bytes += entry(keyTypeOf, typeOf(set.key, family))
            if set.isMap {
                bytes += entry(dataTypeOf, typeOf(set.data, family))
                bytes += entry(dataInterval, number(0))
            }
        }
        if let comment = set.comment { bytes += entry(commentOfSet, Array(comment.utf8) + [0]) }
        return bytes
    }

    /// A concatenation has no byte order (0); a field by itself is in host (1) or network byte order (2).
    private static func byteOrder(_ fields: [Selector]) -> UInt32 {
        guard fields.count == 1 else { return 0 }
        switch fields[0].valueType {
        case .slot, .priority: return 1
        case .address, .port, .transportProtocol, .connectionID, .number, .raw: return 2
        case .verdict: return 0
        }
    }

    private static func entry(_ type: UInt8, _ value: [UInt8]) -> [UInt8] { [type, UInt8(value.count)] + value }

    private static func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

    /// An expression as `nft` keeps it: its kind (entry 0) and what belongs to the kind (entry 1).
    private static func expression(_ kind: UInt32, _ content: [UInt8]) -> [UInt8] {
        entry(0, number(kind)) + entry(1, content)
    }

    private static func typeOf(_ selectors: [Selector], _ family: IPFamily) -> [UInt8] {
        let concatenation: UInt32 = 13
        if selectors.count == 1 { return typeOf(selectors[0], family) }
        var parts: [UInt8] = []
        for (index, selector) in selectors.enumerated() {
            parts += entry(UInt8(index), typeOf(selector, family))
        }
        return expression(concatenation, parts)
    }

    private static func typeOf(_ selector: Selector, _ family: IPFamily) -> [UInt8] {
        let (verdict, payload, meta, conntrack, numgen): (UInt32, UInt32, UInt32, UInt32, UInt32) = (1, 7, 9, 12, 23)
        let (transportHeader, ipHeader): (UInt32, UInt32) = (11, family == .ipv4 ? 12 : 13)
        func payloadField(_ header: UInt32, _ field: UInt32) -> [UInt8] {
            expression(payload, entry(0, number(header)) + entry(1, number(field)))
        }
        func rawField(bit offset: UInt32, bits: UInt32) -> [UInt8] {
            let transportBase = entry(2, number(3))
            return expression(
                payload,
                entry(0, number(0)) + entry(1, number(0)) + transportBase + entry(3, number(offset))
                    + entry(4, number(bits)))
        }
        switch selector {
        case .embeddedProtocol: return rawField(bit: family == .ipv4 ? 136 : 112, bits: 8)
        case .embeddedSourcePort: return rawField(bit: family == .ipv4 ? 224 : 384, bits: 16)
        case .sourceAddress: return payloadField(ipHeader, family == .ipv4 ? 11 : 8)
        case .destinationAddress, .originalDestinationAddress:
            return payloadField(ipHeader, family == .ipv4 ? 12 : 9)
        case .sourcePort: return payloadField(transportHeader, 1)
        case .destinationPort, .originalDestinationPort: return payloadField(transportHeader, 2)
        case .transportProtocol, .originalProtocol: return expression(meta, entry(0, number(16)))
        case .priority: return expression(meta, entry(0, number(2)))
        case .hopLimit:
            // Without a type of its own the field has its length in bits, too.
            let field = entry(0, number(ipHeader)) + entry(1, number(family == .ipv4 ? 8 : 7))
            return expression(payload, field + entry(4, number(8)))
        case .connectionID: return expression(conntrack, entry(0, number(23)) + entry(1, number(.max)))
        case .chain: return expression(verdict, [])
        case .random(let modulus):
            return expression(numgen, entry(0, number(1)) + entry(1, number(modulus)) + entry(2, number(0)))
        case .sourceSlot(let modulus, _), .embeddedSlot(let modulus, _):
            return typeOf(.random(modulus: modulus), family)
        case .hashedSourceAddress:
            return typeOf(.random(modulus: 65536), family)
        }
    }
}
