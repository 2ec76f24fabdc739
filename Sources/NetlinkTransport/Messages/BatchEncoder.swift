import Netfilter
import NetworkTypes

/// A transaction as the bytes that one send hands to the kernel.
struct EncodedBatch: ~Copyable {
    /// The messages from BATCH_BEGIN on.
    let writer: MessageWriter
    /// The sequence number of BATCH_BEGIN.
    let firstSequence: UInt32
    /// The sequence number of the message that asks for an acknowledgement; nil if none does.
    let acknowledged: UInt32?
}

/// Turns transactions into batches.
enum BatchEncoder {
    /// Encodes a transaction.
    ///
    /// - Parameters:
    ///   - generation: refuse if the ruleset is not of this generation.
    ///   - isComplete: without the end message the kernel parses and judges the batch, then forgets it.
    ///   - tableFlags: those of tables that are made.
    ///   - memory: where the encoders take theirs.
    /// - Throws: `NetlinkError.noMemory` if any part could not be made. There is no batch then, not one without the part.
    static func encode(
        _ transaction: Transaction, generation: UInt32?, firstSequence: UInt32, isComplete: Bool,
        tableFlags: UInt32 = 0, memory: EncoderMemory = .system
    ) throws(NetlinkError) -> EncodedBatch {
        var writer = MessageWriter(capacity: max(1 << 16, transaction.elementCount * 56))
        var sequence = firstSequence
        let begin = writer.beginMessage(
            type: NFTMessage.batchBegin, flags: NetlinkFlag.request, sequence: sequence, family: 0,
            resourceID: UInt16(NFTMessage.subsystemNumber))
        if let generation { writer.put(GenerationField.expected, generation) }
        writer.endMessage(begin)
        sequence += 1
        var last: Int?
        for step in transaction.steps {
            let schema = SchemaEncoder(family: step.family, tableName: transaction.tableName, memory: memory)
            try write(step, schema, tableFlags, to: &writer, sequence: &sequence, lastMessage: &last)
        }
        if let last { writer.setFlags(NetlinkFlag.acknowledge, ofMessageAt: last) }
        let acknowledged = last == nil ? nil : sequence - 1
        if isComplete {
            let end = writer.beginMessage(
                type: NFTMessage.batchEnd, flags: NetlinkFlag.request, sequence: sequence, family: 0,
                resourceID: UInt16(NFTMessage.subsystemNumber))
            writer.endMessage(end)
        }
        return EncodedBatch(writer: writer, firstSequence: firstSequence, acknowledged: acknowledged)
    }

    private static func write(
        _ step: Transaction.Step, _ schema: SchemaEncoder, _ tableFlags: UInt32, to writer: inout MessageWriter,
        sequence: inout UInt32, lastMessage: inout Int?
    ) throws(NetlinkError) {
        let before = writer.count
        func writeElements(_ set: SetDeclaration, _ elements: [Element], _ type: UInt16) {
            ElementEncoder(family: step.family, tableName: schema.tableName, declaration: set, messageType: type)
                .write(elements, to: &writer, sequence: &sequence)
        }
        switch step.operation {
        case .addTable(let comment):
            try schema.writeTable(comment: comment, flags: tableFlags, delete: false, to: &writer, sequence: &sequence)
        case .claimTable:
            let flags = TableField.owned | TableField.persistent
            try schema.writeTable(comment: nil, flags: flags, delete: false, to: &writer, sequence: &sequence)
        case .deleteTable: try schema.writeTable(comment: nil, delete: true, to: &writer, sequence: &sequence)
        case .addSet(let set): try schema.writeSet(set, to: &writer, sequence: &sequence)
        case .deleteSet(let name): try schema.writeSetDeletion(name, to: &writer, sequence: &sequence)
        case .addChain(let chain): try schema.writeChain(chain, to: &writer, sequence: &sequence)
        case .deleteChain(let name): try schema.writeChainDeletion(name, to: &writer, sequence: &sequence)
        case .flushChain(let name): try schema.writeFlush(name, to: &writer, sequence: &sequence)
        case .setRules(let chain):
            try schema.writeFlush(chain.name, to: &writer, sequence: &sequence)
            try schema.writeRules(chain, to: &writer, sequence: &sequence)
        case .addElements(let set, let elements): writeElements(set, elements, NFTMessage.newElement)
        case .deleteElements(let set, let elements): writeElements(set, elements, NFTMessage.deleteElement)
        case .destroyElements(let set, let elements): writeElements(set, elements, NFTMessage.destroyElement)
        }
        guard writer.count > before else { return }
        let written = UnsafeRawBufferPointer(rebasing: writer.bytes[before...])
        if let message = MessageSequence(written).reversedLast { lastMessage = before + message.offset }
    }
}

extension MessageSequence {
    /// The last message.
    fileprivate var reversedLast: NetlinkMessage? {
        var last: NetlinkMessage?
        for message in self { last = message }
        return last
    }
}
