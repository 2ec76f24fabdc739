import Netfilter
import NetworkTypes

/// Something of nftables that the tables need and that a kernel may have been built without, or be too old for.
public struct KernelFeature: Sendable {
    /// What it is.
    public var name: String
    /// Which kernels have it: the option that it is built with, or the version from which on.
    public var requirement: String
    /// Sets and chains that need it and little else.
    public var sets: [SetDeclaration]
    /// Chains that need it and little else.
    public var chains: [Chain]
    /// The families in which it is needed.
    public var families: [IPFamily]

    /// Describes a feature.
    public init(
        _ name: String, requirement: String, families: [IPFamily] = IPFamily.allCases, sets: [SetDeclaration] = [],
        chains: [Chain] = []
    ) {
        self.name = name
        self.requirement = requirement
        self.families = families
        self.sets = sets
        self.chains = chains
    }

    /// The transaction that makes it, in a table of its own.
    func trial(_ family: IPFamily) -> Transaction {
        Transaction.making(TableSchema(family: family, name: Self.trialTable, sets: sets, chains: chains))
    }

    static let trialTable = "fairlead-trial"
}

/// A feature that a kernel lacks.
public struct MissingFeature: Sendable, CustomStringConvertible {
    /// The feature; nil if it could not be found out which one it is.
    public var feature: KernelFeature?
    /// The family in which it is missing.
    public var family: IPFamily
    /// What the kernel said.
    public var error: NetlinkError

    /// `the kernel lacks random numbers (numgen) for ip: CONFIG_NFT_NUMGEN`.
    public var description: String {
        guard let feature else { return "the kernel cannot hold the tables: \(error)" }
        return "the kernel lacks \(feature.name) for \(family.nftName): \(feature.requirement) is needed"
    }
}

extension KernelFeature {
    private static let filter = Chain.Hook(.filter, .prerouting, priority: -95)
    private static let nat = Chain.Hook(.nat, .prerouting, priority: -100)
    private static let addresses = SetDeclaration(SetID(1), "addresses", key: [.destinationAddress])
    private static let slots = SetDeclaration(SetID(2), "slots", key: [.random(modulus: 4)])
    private static let endpoints = SetDeclaration(
        SetID(3), "endpoints", key: [.destinationAddress], data: [.destinationAddress, .destinationPort])

    private static func filter(_ rules: Rule...) -> [Chain] { [Chain("trial", hook: filter, rules: rules)] }

    /// What direct return needs besides: only Services that ask for it have rules with it.
    public static let handingOn = KernelFeature(
        "handing packets on (dup, jhash)", requirement: "CONFIG_NFT_DUP_IPV4, CONFIG_NFT_DUP_IPV6 and CONFIG_NFT_HASH",
        sets: [SetDeclaration(SetID(6), "owners", key: [.random(modulus: 4)], data: [.destinationAddress])],
        chains: filter([
            .duplicate([.sourceSlot(modulus: 4, ofAddressAlone: false)], map: "owners"), .drop,
        ]))

    /// What the tables are made of.
    public static let all: [KernelFeature] = [
        KernelFeature("nftables", requirement: "CONFIG_NF_TABLES_IPV4 or CONFIG_NF_TABLES_IPV6", sets: [addresses]),
        KernelFeature(
            "chains for address translation", requirement: "CONFIG_NF_NAT and CONFIG_NFT_NAT",
            chains: [Chain("trial", hook: nat, rules: [[.accept]])]),
        KernelFeature(
            "translation of destinations (dnat)", requirement: "CONFIG_NFT_NAT", sets: [endpoints],
            chains: [
                Chain("trial", hook: nat, rules: [[.destinationNAT([.destinationAddress], map: "endpoints")]])
            ]),
        KernelFeature(
            "masquerade", requirement: "CONFIG_NFT_MASQ",
            chains: [Chain("trial", hook: .init(.nat, .postrouting, priority: 100), rules: [[.masquerade]])]),
        KernelFeature(
            "random numbers (numgen)", requirement: "CONFIG_NFT_NUMGEN", sets: [slots],
            chains: filter([.lookup([.random(modulus: 4)], set: "slots"), .drop])),
        KernelFeature(
            "hashes (jhash)", requirement: "CONFIG_NFT_HASH", families: [.ipv6], sets: [slots],
            chains: filter([.lookup([.hashedSourceAddress(seed: 1)], set: "slots"), .drop])),
        KernelFeature(
            "conntrack in rules (ct)", requirement: "CONFIG_NFT_CT", sets: [addresses],
            chains: filter([.connectionState(.new), .lookup([.originalDestinationAddress], set: "addresses"), .drop])),
        KernelFeature(
            "reject in prerouting", requirement: "CONFIG_NFT_REJECT, Linux 5.9 or later",
            // New flows are refused where destinations are translated, further packets of flows without an answer before that.
            chains: [filter, nat].enumerated().map { index, hook in
                Chain("trial\(index)", hook: hook, rules: [[.transport(.tcp), .rejectWithReset], [.reject]])
            }),
        KernelFeature(
            "lookups of routes (fib)", requirement: "CONFIG_NFT_FIB_IPV4 or CONFIG_NFT_FIB_IPV6",
            chains: filter([.sourceIsLocal, .drop])),
        KernelFeature(
            "ranges in concatenations", requirement: "Linux 5.6 or later",
            sets: [
                SetDeclaration(SetID(4), "ranges", key: [.destinationPort, .sourceAddress], isInterval: true)
            ]),
        KernelFeature(
            "counters in elements", requirement: "Linux 5.7 or later",
            sets: [SetDeclaration(SetID(5), "counted", key: [.destinationAddress], countsPackets: true)]),
    ]
}

extension NftablesKernel {
    /// What a kernel says of what it does not know.
    private static let unknown: Set<Int32> = [
        ErrorNumber.noEntry, ErrorNumber.invalid, ErrorNumber.notSupported, ErrorNumber.range,
        ErrorNumber.familyNotSupported, ErrorNumber.protocolNotSupported,
    ]

    /// What the kernel lacks of what tables need; empty if it can hold them. Nothing is changed: the kernel judges
    /// transactions that end before they count.
    ///
    /// - Parameters:
    ///   - schemas: the tables. They are tried under another name.
    ///   - features: what to look for if the kernel does not take them.
    /// - Throws: what does not speak against the kernel, such as a missing privilege.
    public func missing(
        for schemas: [TableSchema], features: [KernelFeature] = KernelFeature.all
    ) throws(NetlinkError) -> [MissingFeature] {
        var missing: [MissingFeature] = []
        for schema in schemas {
            var trial = schema
            trial.name = KernelFeature.trialTable
            guard let error = try refusal(Transaction.making(trial)) else { continue }
            var found: [MissingFeature] = []
            for feature in features where feature.families.contains(schema.family) {
                if let error = try refusal(feature.trial(schema.family)) {
                    found.append(MissingFeature(feature: feature, family: schema.family, error: error))
                }
            }
            missing += found.isEmpty ? [MissingFeature(feature: nil, family: schema.family, error: error)] : found
        }
        return missing
    }

    /// Whether the kernel has a feature in all of its families. Nothing is changed. What does not speak against the kernel, such as a
    /// missing privilege, is taken for a yes: the first commit says more.
    public func has(_ feature: KernelFeature) -> Bool {
        feature.families.allSatisfy { family in
            do throws(NetlinkError) { return try refusal(feature.trial(family)) == nil } catch { return true }
        }
    }

    private func refusal(_ transaction: Transaction) throws(NetlinkError) -> NetlinkError? {
        do throws(NetlinkError) { try check(transaction) } catch {
            guard let code = error.code, Self.unknown.contains(code) else { throw error }
            return error
        }
        return nil
    }
}

extension Transaction {
    /// Makes a table without elements.
    fileprivate static func making(_ schema: TableSchema) -> Transaction {
        var transaction = Transaction(tableName: schema.name)
        transaction.append(schema.family, .addTable(comment: schema.comment))
        for set in schema.sets { transaction.append(schema.family, .addSet(set)) }
        for chain in schema.chains { transaction.append(schema.family, .addChain(chain)) }
        for chain in schema.chains { transaction.append(schema.family, .setRules(chain)) }
        return transaction
    }
}
