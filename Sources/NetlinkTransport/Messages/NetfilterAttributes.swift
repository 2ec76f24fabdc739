/// Attributes of the ruleset's generation (`enum nft_gen_attributes`) and of the message that begins a batch
/// (`enum nfnl_batch_attributes`).
enum GenerationField {
    static let number: UInt16 = 1
    static let processID: UInt16 = 2
    static let processName: UInt16 = 3

    /// `NFNL_BATCH_GENID`: the generation that a batch was made for.
    static let expected: UInt16 = 1
}

/// Attributes and flags of a table (`enum nft_table_attributes`, `enum nft_table_flags`).
enum TableField {
    static let name: UInt16 = 1
    static let flags: UInt16 = 2
    static let owner: UInt16 = 7

    /// Only the socket that made the table, or claimed it, may change it.
    static let owned: UInt32 = 2
    /// The table outlives its owner. Linux 6.9 or later; cannot be set or taken back later.
    static let persistent: UInt32 = 4
}

/// Attributes of a chain (`enum nft_chain_attributes`), and of what it is hooked to (`enum nft_hook_attributes`).
enum ChainField {
    static let table: UInt16 = 1
    static let name: UInt16 = 3
    static let hook: UInt16 = 4
    static let policy: UInt16 = 5
    static let type: UInt16 = 7

    static let hookNumber: UInt16 = 1
    static let hookPriority: UInt16 = 2
    /// `NF_DROP` and `NF_ACCEPT` as a policy.
    static let policyDrop: UInt32 = 0
    static let policyAccept: UInt32 = 1
}

/// Attributes of a set (`enum nft_set_attributes`), and of its description (`enum nft_set_desc_attributes`).
enum SetField {
    static let table: UInt16 = 1
    static let name: UInt16 = 2
    static let flags: UInt16 = 3
    static let keyLength: UInt16 = 5
    static let description: UInt16 = 9
    static let expression: UInt16 = 17

    static let descriptionSize: UInt16 = 1
}

/// Attributes of a rule (`enum nft_rule_attributes`).
enum RuleField {
    static let table: UInt16 = 1
    static let chain: UInt16 = 2
    static let handle: UInt16 = 3
    static let expressions: UInt16 = 4
    /// What iptables adds.
    static let compatibility: UInt16 = 5
    static let position: UInt16 = 6
    static let id: UInt16 = 9
    static let positionID: UInt16 = 10
    static let chainID: UInt16 = 11
}

/// Attributes of an expression (`enum nft_expr_attributes`), in a list of them (`enum nft_list_attributes`).
enum ExpressionField {
    static let name: UInt16 = 1
    static let data: UInt16 = 2

    static let listElement: UInt16 = 1
}

/// Attributes of data (`enum nft_data_attributes`).
enum DataField {
    static let value: UInt16 = 1
    static let verdict: UInt16 = 2
}

/// Attributes of a verdict (`enum nft_verdict_attributes`), and the codes that Fairlead tells apart (`enum nft_verdicts`, `NF_*`).
enum VerdictField {
    static let code: UInt16 = 1
    static let chain: UInt16 = 2
    static let chainID: UInt16 = 3

    static let drop: Int32 = 0
    static let accept: Int32 = 1
    static let queue: Int32 = 3
    static let jump: Int32 = -3
    static let goto: Int32 = -4
    static let leave: Int32 = -5
}
