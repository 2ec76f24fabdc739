import Netfilter
import NetworkTypes

/// Names the object that a message of a batch is about, from the bytes that were sent: nothing is kept for the case of
/// an error.
enum BatchNaming {
    /// - Parameters:
    ///   - offset: the byte in the message at which the kernel found fault (extended acknowledgement); nil if unknown.
    ///   - declaration: finds a set's declaration, to show an element of it.
    static func object(
        sequence: UInt32, offset: Int?, in batch: UnsafeRawBufferPointer,
        declaration: (IPFamily, String) -> SetDeclaration?
    ) -> String {
        guard let message = MessageSequence(batch).first(where: { $0.sequence == sequence }) else {
            return "transaction"
        }
        guard message.type >> 8 == NFTMessage.subsystemNumber else { return "transaction" }
        let family: IPFamily = message.family == IPFamily.ipv6.netfilterNumber ? .ipv6 : .ipv4
        let table = "table \(family.nftName) \(message.attributes.first(TableField.name)?.text ?? "?")"
        func name(_ attribute: UInt16) -> String { message.attributes.first(attribute)?.text ?? "?" }
        switch message.type & 0xFF {
        case NFTMessage.newTable, NFTMessage.deleteTable: return table
        case NFTMessage.newChain, NFTMessage.deleteChain: return "\(table), chain \(name(ChainField.name))"
        case NFTMessage.newRule, NFTMessage.deleteRule: return "\(table), rule of chain \(name(RuleField.chain))"
        case NFTMessage.newSet, NFTMessage.deleteSet: return "\(table), set \(name(SetField.name))"
        case NFTMessage.newElement, NFTMessage.deleteElement, NFTMessage.destroyElement:
            let text = "\(table), set \(name(ElementAttribute.listSet))"
            guard let set = declaration(family, name(ElementAttribute.listSet)),
                let key = element(at: offset, of: message)
            else {
                return text
            }
            return "\(text), element \(ElementText.fields(key, set.key, family))"
        default: return table
        }
    }

    /// The element that a message was to add and the kernel found fault with; its reason is its name so far. Nil for other
    /// messages.
    static func newElement(
        sequence: UInt32, offset: Int?, in batch: UnsafeRawBufferPointer,
        declaration: (IPFamily, String) -> SetDeclaration?
    ) -> RefusedElement? {
        guard let message = MessageSequence(batch).first(where: { $0.sequence == sequence }),
            message.type == NFTMessage.subsystem | NFTMessage.newElement,
            let key = element(at: offset, of: message),
            let set = message.attributes.first(ElementAttribute.listSet)?.text
        else { return nil }
        return RefusedElement(
            family: message.family == IPFamily.ipv6.netfilterNumber ? .ipv6 : .ipv4, set: set, key: key,
            reason: object(sequence: sequence, offset: offset, in: batch, declaration: declaration))
    }

    /// The key of the element at the byte offset, or of the only element.
    private static func element(at offset: Int?, of message: NetlinkMessage) -> ElementKey? {
        guard let list = message.attributes.first(ElementAttribute.listElements) else { return nil }
        var only: ElementKey?
        var count = 0
        for item in list.nested {
            guard let key = item.nested.first(ElementAttribute.key)?.nested.first(ElementAttribute.value) else {
                continue
            }
            count += 1
            only = ElementKey(bytes: key.value)
            if let offset, let base = message.payload.baseAddress, let start = item.value.baseAddress {
                let from = start - base + 16 - 4
                if offset >= from, offset < from + item.value.count + 4 { return only }
            }
        }
        return count == 1 ? only : nil
    }
}
