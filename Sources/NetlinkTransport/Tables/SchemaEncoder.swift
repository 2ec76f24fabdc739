import CNftnl
import Netfilter
import NetworkTypes

/// Writes tables, chains, rules and sets as netlink messages, built by libnftnl.
struct SchemaEncoder {
    let family: IPFamily
    let tableName: String
    var memory = EncoderMemory.system

    /// Names what is encoded, in errors.
    private func named(_ kind: String, _ name: String) -> String {
        "table \(family.nftName) \(tableName), \(kind) \(name)"
    }

    /// Writes one message: libnftnl fills it behind the header, in a scratch buffer that is large enough for any rule.
    private func message(
        _ type: UInt16, flags: UInt16, to writer: inout MessageWriter, sequence: inout UInt32,
        _ fill: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) throws(NetlinkError) {
        let isWritten = withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 8) { scratch in
            // What pads an attribute is sent, too, and libmnl leaves it as it was.
            scratch.initializeMemory(as: UInt8.self, repeating: 0)
            guard let base = scratch.baseAddress,
                let header = nftnl_nlmsg_build_hdr(
                    base, type, UInt16(family.netfilterNumber), flags, sequence)
            else { return false }
            fill(header)
            writer.append(UnsafeRawBufferPointer(start: base, count: Int(header.pointee.nlmsg_len)))
            return true
        }
        guard isWritten else { throw .noMemory(object: "table \(family.nftName) \(tableName): a message") }
        sequence += 1
    }

    /// - Parameter flags: those of `TableField`; libnftnl knows them by number only.
    func writeTable(
        comment: String?, flags: UInt32 = 0, delete: Bool, to writer: inout MessageWriter, sequence: inout UInt32
    ) throws(NetlinkError) {
        let object = "table \(family.nftName) \(tableName)"
        let table = try memory.object(object) { nftnl_table_alloc() }
        defer { nftnl_table_free(table) }
        try memory.set("\(object): its name") {
            nftnl_table_set_str(table, UInt16(NFTNL_TABLE_NAME.rawValue), tableName)
        }
        if flags != 0 { nftnl_table_set_u32(table, UInt16(NFTNL_TABLE_FLAGS.rawValue), flags) }
        if let comment {
            try setData(UserData.comment(comment), "\(object): its comment") { bytes, count in
                nftnl_table_set_data(table, UInt16(NFTNL_TABLE_USERDATA.rawValue), bytes, count)
            }
        }
        try message(
            delete ? NFTMessage.deleteTable : NFTMessage.newTable, flags: delete ? 0 : NetlinkFlag.create,
            to: &writer, sequence: &sequence
        ) { nftnl_table_nlmsg_build_payload($0, table) }
    }

    func writeSet(
        _ declaration: SetDeclaration, to writer: inout MessageWriter, sequence: inout UInt32
    ) throws(NetlinkError) {
        let object = named("set", declaration.name)
        let set = try memory.object(object) { nftnl_set_alloc() }
        defer { nftnl_set_free(set) }
        func number(_ attribute: nftnl_set_attr, _ value: UInt32) {
            nftnl_set_set_u32(set, UInt16(attribute.rawValue), value)
        }
        try setNames(of: set, declaration.name, object)
        number(NFTNL_SET_FAMILY, UInt32(family.netfilterNumber))
        number(NFTNL_SET_ID, UInt32(declaration.id.rawValue) + 1)
        number(NFTNL_SET_FLAGS, SetForm.flags(declaration))
        number(NFTNL_SET_KEY_TYPE, SetForm.type(declaration.key, family))
        number(NFTNL_SET_KEY_LEN, UInt32(declaration.key.declaredWidth(family)))
        if declaration.isMap {
            number(NFTNL_SET_DATA_TYPE, SetForm.type(declaration.data, family))
            number(NFTNL_SET_DATA_LEN, UInt32(declaration.data.declaredWidth(family)))
        }
        if let size = declaration.size { number(NFTNL_SET_DESC_SIZE, size) }
        if declaration.isIntervalConcatenation {
            let widths = declaration.key.map { UInt8($0.valueType.valueWidth(family)) }
            try setData(widths, "\(object): the fields of its key") { bytes, count in
                nftnl_set_set_data(set, UInt16(NFTNL_SET_DESC_CONCAT.rawValue), bytes, count)
            }
        }
        try setData(UserData.declaration(declaration, family), "\(object): its declaration") { bytes, count in
            nftnl_set_set_data(set, UInt16(NFTNL_SET_USERDATA.rawValue), bytes, count)
        }
        if declaration.countsPackets {
            nftnl_set_add_expr(set, try memory.object("\(object): its counter") { nftnl_expr_alloc("counter") })
        }
        try message(NFTMessage.newSet, flags: NetlinkFlag.create, to: &writer, sequence: &sequence) {
            nftnl_set_nlmsg_build_payload($0, set)
        }
    }

    func writeSetDeletion(_ name: String, to writer: inout MessageWriter, sequence: inout UInt32) throws(NetlinkError) {
        let object = named("set", name)
        let set = try memory.object(object) { nftnl_set_alloc() }
        defer { nftnl_set_free(set) }
        try setNames(of: set, name, object)
        try message(NFTMessage.deleteSet, flags: 0, to: &writer, sequence: &sequence) {
            nftnl_set_nlmsg_build_payload($0, set)
        }
    }

    func writeChain(_ chain: Chain, to writer: inout MessageWriter, sequence: inout UInt32) throws(NetlinkError) {
        let object = named("chain", chain.name)
        let result = try memory.object(object) { nftnl_chain_alloc() }
        defer { nftnl_chain_free(result) }
        try setNames(ofChain: result, chain.name, object)
        if let hook = chain.hook {
            nftnl_chain_set_u32(result, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue), hook.point.rawValue)
            nftnl_chain_set_s32(result, UInt16(NFTNL_CHAIN_PRIO.rawValue), hook.priority)
            try memory.set("\(object): its type") {
                nftnl_chain_set_str(result, UInt16(NFTNL_CHAIN_TYPE.rawValue), hook.kind.rawValue)
            }
            nftnl_chain_set_u32(result, UInt16(NFTNL_CHAIN_POLICY.rawValue), 1)
        }
        if let comment = chain.comment {
            try setData(UserData.comment(comment), "\(object): its comment") { bytes, count in
                nftnl_chain_set_data(result, UInt16(NFTNL_CHAIN_USERDATA.rawValue), bytes, count)
            }
        }
        try message(NFTMessage.newChain, flags: NetlinkFlag.create, to: &writer, sequence: &sequence) {
            nftnl_chain_nlmsg_build_payload($0, result)
        }
    }

    func writeChainDeletion(
        _ name: String, to writer: inout MessageWriter, sequence: inout UInt32
    ) throws(NetlinkError) {
        let object = named("chain", name)
        let chain = try memory.object(object) { nftnl_chain_alloc() }
        defer { nftnl_chain_free(chain) }
        try setNames(ofChain: chain, name, object)
        try message(NFTMessage.deleteChain, flags: 0, to: &writer, sequence: &sequence) {
            nftnl_chain_nlmsg_build_payload($0, chain)
        }
    }

    /// Removes all rules of a chain.
    func writeFlush(_ chain: String, to writer: inout MessageWriter, sequence: inout UInt32) throws(NetlinkError) {
        // Without the chain the kernel would remove the rules of all chains.
        let rule = try RuleEncoder(family: family, memory: memory).encode([], table: tableName, chain: chain)
        defer { nftnl_rule_free(rule) }
        try message(NFTMessage.deleteRule, flags: 0, to: &writer, sequence: &sequence) {
            nftnl_rule_nlmsg_build_payload($0, rule)
        }
    }

    func writeRules(_ chain: Chain, to writer: inout MessageWriter, sequence: inout UInt32) throws(NetlinkError) {
        let encoder = RuleEncoder(family: family, memory: memory)
        for rule in chain.rules {
            let encoded = try encoder.encode(rule, table: tableName, chain: chain.name)
            defer { nftnl_rule_free(encoded) }
            try message(
                NFTMessage.newRule, flags: NetlinkFlag.create | NetlinkFlag.append, to: &writer, sequence: &sequence
            ) { nftnl_rule_nlmsg_build_payload($0, encoded) }
        }
    }

    private func setNames(of set: OpaquePointer, _ name: String, _ object: String) throws(NetlinkError) {
        try memory.set("\(object): its table") {
            nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE.rawValue), tableName)
        }
        try memory.set("\(object): its name") { nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME.rawValue), name) }
    }

    private func setNames(ofChain chain: OpaquePointer, _ name: String, _ object: String) throws(NetlinkError) {
        try memory.set("\(object): its table") {
            nftnl_chain_set_str(chain, UInt16(NFTNL_CHAIN_TABLE.rawValue), tableName)
        }
        try memory.set("\(object): its name") {
            nftnl_chain_set_str(chain, UInt16(NFTNL_CHAIN_NAME.rawValue), name)
        }
    }

    private func setData(
        _ bytes: [UInt8], _ part: String, _ body: (UnsafeRawPointer, UInt32) -> Int32
    ) throws(NetlinkError) {
        try memory.set(part) {
            bytes.withUnsafeBytes { buffer in
                guard let base = buffer.baseAddress, !buffer.isEmpty else { return 0 }
                return body(base, UInt32(buffer.count))
            }
        }
    }
}

/// How the kernel and `nft` describe the form of a set.
enum SetForm {
    /// `NFT_SET_ANONYMOUS`.
    static let anonymous: UInt32 = 1

    /// How many elements the set has (`NFTA_SET_COUNT`): some newer kernels tell, Linux 6.18 is one of them.
    static let countAttribute: UInt16 = 20

    /// `NFT_SET_INTERVAL`.
    static let interval: UInt32 = 0x4
    /// `NFT_SET_MAP`.
    static let map: UInt32 = 0x8
    /// `NFT_SET_TIMEOUT` and `NFT_SET_EVAL`: packets add elements, and time takes them away.
    static let dynamic: UInt32 = 0x10 | 0x20
    /// `NFT_SET_CONCAT`.
    static let concatenation: UInt32 = 0x80

    /// The flags of a set.
    static func flags(_ set: SetDeclaration) -> UInt32 {
        (set.isInterval ? interval : 0) | (set.isMap ? map : 0) | (set.isDynamic ? dynamic : 0)
            | (set.isIntervalConcatenation ? concatenation : 0)
    }

    /// The flags that tell one form of a set from another.
    static let shownFlags = interval | map | dynamic | concatenation

    /// The number by which `nft` remembers the types of a concatenation: six bits per field.
    /// A verdict (`NFT_DATA_VERDICT`) is no type of `nft`.
    static func type(_ fields: [Selector], _ family: IPFamily) -> UInt32 {
        if fields.isVerdict { return 0xFFFF_FF00 }
        return fields.reduce(0) { $0 << 6 | number($1.valueType, family) }
    }

    private static func number(_ type: ValueType, _ family: IPFamily) -> UInt32 {
        switch type {
        case .address: family == .ipv4 ? 7 : 8
        case .transportProtocol: 12
        case .port: 13
        case .slot, .connectionID, .number, .raw: 4
        case .priority: 23
        case .verdict: 0
        }
    }
}

extension [Selector] {
    /// Whether these are the data of a map of verdicts.
    var isVerdict: Bool { verdictPrefix != nil }

    /// What the names of the chains begin with that a map of verdicts leads to; nil for other data.
    var verdictPrefix: String? {
        if count == 1, case .chain(let prefix) = self[0] { prefix } else { nil }
    }
}
