import Netfilter
import NetworkTypes

/// What kube-proxy has left in, or keeps in, the ruleset: found by the names that it gives its tables and chains.
///
/// Its nftables mode has tables of its own. Its iptables mode has chains in the tables that `iptables-nft` shares among
/// programs; of those only the chains with its names are its own, and the rules of other chains that lead to them.
struct KubeProxyRules: Sendable, Equatable {
    /// The name of the tables of its nftables mode.
    static let tableName = "kube-proxy"

    /// The tables of its nftables mode.
    private(set) var tables: [ForeignRules.Table] = []
    /// The chains of its iptables mode.
    private(set) var chains: [ForeignRules.Chain] = []
    /// The rules of other chains that lead there.
    private(set) var entries: [ForeignRules.Jump] = []

    /// Finds them.
    init(in rules: ForeignRules) {
        tables = rules.tables.filter { $0.name == Self.tableName }
        chains = rules.chains.filter { Self.isOwn($0) }
        let names = Set(chains.map(Place.init))
        entries = rules.jumps.filter { jump in
            names.contains(Place(jump, jump.target)) && !names.contains(Place(jump, jump.chain))
        }
    }

    private struct Place: Hashable {
        var family: IPFamily
        var table: String
        var name: String

        init(_ chain: ForeignRules.Chain) {
            (family, table, name) = (chain.family, chain.table, chain.name)
        }

        init(_ jump: ForeignRules.Jump, _ name: String) {
            (family, table, self.name) = (jump.family, jump.table, name)
        }
    }

    /// Whether there are none.
    var isEmpty: Bool { tables.isEmpty && chains.isEmpty }

    /// What removes them, and nothing else.
    var removal: ForeignRemoval {
        var removal = ForeignRemoval()
        removal.rules = entries
        removal.chains = chains
        removal.tables = tables
        return removal
    }

    /// A line for each place, such as `table ip kube-proxy`.
    var summary: [String] {
        var counts: [ForeignRules.Table: Int] = [:]
        for chain in chains { counts[ForeignRules.Table(family: chain.family, name: chain.table), default: 0] += 1 }
        let lines = counts.map {
            "\($1) \($1 == 1 ? "chain" : "chains") in table \($0.family.nftName) \($0.name) (iptables)"
        }
        return tables.map { "table \($0.family.nftName) \($0.name)" } + lines.sorted()
    }

    /// kubelet has chains whose names begin alike (KUBE-FIREWALL, KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT), and network
    /// policy controllers, too: those stay.
    private static func isOwn(_ chain: ForeignRules.Chain) -> Bool {
        !chain.isBase && isOwnChain(named: chain.name, inTable: chain.table)
    }

    /// Whether a chain that is no base chain is one of its iptables mode.
    static func isOwnChain(named name: String, inTable table: String) -> Bool {
        guard ["nat", "filter", "mangle", "raw"].contains(table) else { return false }
        return names.contains(name) || prefixes.contains { name.hasPrefix($0) }
    }

    private static let names: Set<String> = [
        "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ",
        "KUBE-FORWARD", "KUBE-PROXY-FIREWALL", "KUBE-PROXY-CANARY", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER",
        "KUBE-SOURCE-RANGES-FIREWALL", "KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER",
    ]
    private static let prefixes = ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-", "KUBE-FW-", "KUBE-XLB-"]

    // MARK: Frontends

    /// The maps of its nftables mode whose keys are frontends with an endpoint, and the sets of Fairlead that a frontend
    /// must be in one of to be served alike.
    enum Frontends: CaseIterable, Sendable {
        /// Address, protocol and port.
        case addresses
        /// Protocol and port of a node port.
        case nodePorts

        /// The map of kube-proxy.
        var map: String {
            switch self {
            case .addresses: "service-ips"
            case .nodePorts: "service-nodeports"
            }
        }

        /// Whether a set of Fairlead's table has frontends of this kind as keys.
        func includes(set name: String) -> Bool {
            let stems =
                switch self {
                case .addresses:
                    ["services-", "local-services-", "reject-services", "drop-services", "drop-outside-services"]
                case .nodePorts: ["nodeports-", "local-nodeports-", "reject-nodeports", "drop-outside-nodeports"]
                }
            return stems.contains { stem in
                guard stem.hasSuffix("-") else { return name == stem }
                return name.hasPrefix(stem) && !name.dropFirst(stem.count).isEmpty
                    && name.dropFirst(stem.count).allSatisfy(\.isNumber)
            }
        }

        /// The text of a key: `10.96.0.10:53/udp`. Fields are padded to four bytes, numbers in network byte order.
        func text(_ key: [UInt8], _ family: IPFamily) -> String {
            var bytes = key[...]
            var address = ""
            if self == .addresses {
                let width = family == .ipv4 ? 4 : 16
                guard bytes.count >= width else { return "?" }
                address = Self.address(bytes.prefix(width)).description
                if family == .ipv6 { address = "[\(address)]" }
                bytes = bytes.dropFirst(width)
            }
            guard bytes.count == 8 else { return "?" }
            let field = Array(bytes)
            let transport = TransportProtocol(rawValue: field[0]).map { "\($0)" } ?? "protocol \(field[0])"
            return "\(address):\(UInt16(field[4]) << 8 | UInt16(field[5]))/\(transport)"
        }

        private static func address(_ bytes: ArraySlice<UInt8>) -> IPAddress {
            func number<Value: FixedWidthInteger>(_ part: ArraySlice<UInt8>) -> Value {
                part.reduce(0) { $0 << 8 | Value($1) }
            }
            if bytes.count == 4 { return .v4(IPv4Address(rawValue: number(bytes))) }
            return .v6(IPv6Address(high: number(bytes.prefix(8)), low: number(bytes.dropFirst(8))))
        }
    }
}
