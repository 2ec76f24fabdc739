// Attributes of the expressions that are read, by the names of the kernel (`linux/netfilter/nf_tables.h`), and their values that matter.

/// `enum nft_bitwise_attributes`.
enum BitwiseField {
    static let source: UInt16 = 1
    static let target: UInt16 = 2
    static let length: UInt16 = 3
    static let mask: UInt16 = 4
    static let xor: UInt16 = 5
    static let operation: UInt16 = 6
    static let data: UInt16 = 7
    static let secondSource: UInt16 = 8

    /// `NFT_BITWISE_MASK_XOR`.
    static let maskAndXor: UInt32 = 0
}

/// `enum nft_cmp_attributes`.
enum CompareField {
    static let source: UInt16 = 1
    static let operation: UInt16 = 2
    static let data: UInt16 = 3
}

/// `enum nft_counter_attributes`.
enum CounterField {
    static let bytes: UInt16 = 1
    static let packets: UInt16 = 2
}

/// `enum nft_ct_attributes`.
enum ConnectionField {
    static let target: UInt16 = 1
    static let key: UInt16 = 2
    static let direction: UInt16 = 3
    static let source: UInt16 = 4

    /// `NFT_CT_STATE`.
    static let state: UInt32 = 0
    /// `NFT_CT_STATUS`.
    static let status: UInt32 = 2
}

/// `enum nft_dup_attributes`.
enum DuplicateField {
    static let address: UInt16 = 1
    static let device: UInt16 = 2
}

/// `enum nft_dynset_attributes`.
enum DynamicSetField {
    static let set: UInt16 = 1
    static let setID: UInt16 = 2
    static let operation: UInt16 = 3
    static let key: UInt16 = 4
    static let data: UInt16 = 5
    static let timeout: UInt16 = 6
    static let expression: UInt16 = 7
    static let flags: UInt16 = 9
    static let expressions: UInt16 = 10
}

/// `enum nft_fib_attributes`.
enum RouteLookupField {
    static let target: UInt16 = 1
    static let result: UInt16 = 2
    static let flags: UInt16 = 3
}

/// `enum nft_hash_attributes`.
enum HashField {
    static let source: UInt16 = 1
    static let target: UInt16 = 2
    static let length: UInt16 = 3
    static let modulus: UInt16 = 4
    static let seed: UInt16 = 5
    static let offset: UInt16 = 6
    static let type: UInt16 = 7
}

/// `enum nft_immediate_attributes`.
enum ImmediateField {
    static let target: UInt16 = 1
    static let data: UInt16 = 2
}

/// `enum nft_lookup_attributes`.
enum LookupField {
    static let set: UInt16 = 1
    static let source: UInt16 = 2
    static let target: UInt16 = 3
    static let setID: UInt16 = 4
    static let flags: UInt16 = 5

    /// `NFT_LOOKUP_F_INV`.
    static let isInverted: UInt32 = 1
    /// `NFT_REG_VERDICT`: the data of the map are verdicts.
    static let verdictRegister: UInt32 = 0
}

/// `enum nft_masq_attributes`.
enum MasqueradeField {
    static let flags: UInt16 = 1
    static let firstPort: UInt16 = 2
    static let lastPort: UInt16 = 3
}

/// `enum nft_meta_attributes`, `enum nft_meta_keys`.
enum MetaField {
    static let target: UInt16 = 1
    static let key: UInt16 = 2
    static let source: UInt16 = 3

    static let mark: UInt32 = 3
    static let inputIndex: UInt32 = 4
    static let outputIndex: UInt32 = 5
    static let inputName: UInt32 = 6
    static let outputName: UInt32 = 7
    static let family: UInt32 = 15
    static let transport: UInt32 = 16
}

/// `enum nft_nat_attributes`.
enum TranslationField {
    static let type: UInt16 = 1
    static let family: UInt16 = 2
    static let firstAddress: UInt16 = 3
    static let lastAddress: UInt16 = 4
    static let firstPort: UInt16 = 5
    static let lastPort: UInt16 = 6
    static let flags: UInt16 = 7
}

/// `enum nft_ng_attributes`.
enum NumberGeneratorField {
    static let target: UInt16 = 1
    static let modulus: UInt16 = 2
    static let type: UInt16 = 3
    static let offset: UInt16 = 4
}

/// `enum nft_payload_attributes`, `enum nft_payload_bases`.
enum PayloadField {
    static let target: UInt16 = 1
    static let base: UInt16 = 2
    static let offset: UInt16 = 3
    static let length: UInt16 = 4
    static let source: UInt16 = 5
    static let checksumType: UInt16 = 6
    static let checksumOffset: UInt16 = 7
    static let checksumFlags: UInt16 = 8

    static let networkHeader: UInt32 = 1
    static let transportHeader: UInt32 = 2
}

/// `enum nft_range_attributes`.
enum RangeField {
    static let source: UInt16 = 1
    static let operation: UInt16 = 2
    static let from: UInt16 = 3
    static let to: UInt16 = 4

    /// `NFT_RANGE_EQ`.
    static let inside: UInt32 = 0
}

/// `enum nft_reject_attributes`.
enum RejectField {
    static let type: UInt16 = 1
    static let code: UInt16 = 2
}

/// A match or a target of iptables (`enum nft_match_attributes`, `enum nft_target_attributes`: the same numbers).
enum ExtensionField {
    static let name: UInt16 = 1
    static let revision: UInt16 = 2
    static let info: UInt16 = 3
}
