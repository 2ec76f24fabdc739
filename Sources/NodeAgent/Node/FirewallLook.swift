import CLinux
import Netfilter
import NetlinkTransport
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// Looks at other programs' chains, as they are when it is made, for what would drop a packet.
package final class FirewallLook {
    /// What is connected to.
    package struct Target: Hashable, Sendable, CustomStringConvertible {
        var backend: Backend
        var transport: TransportProtocol

        package var description: String { "\(backend)/\(transport)" }
    }

    /// The chains.
    let rules: FilterRules
    private let kernel: NftablesKernel
    private let routes: HostLinks
    private let links: [UInt32: HostLink]
    private var lengths: [FilterRules.Place: Int]?

    /// The priority of the chains that translate.
    private static let translation: Int32 = -100

    /// - Parameter asWithoutKubeProxy: take the rules of kube-proxy's iptables mode to be gone, which admit what it serves.
    package init(_ kernel: NftablesKernel, asWithoutKubeProxy: Bool) throws(NetlinkError) {
        self.kernel = kernel
        var rules = try kernel.filterRules(except: DataplaneOptions().tableName)
        if asWithoutKubeProxy {
            for (place, chain) in rules.chains
            where chain.entry == nil && KubeProxyRules.isOwnChain(named: place.chain, inTable: place.table.name) {
                rules.chains[place]?.rules = []
            }
        }
        self.rules = rules
        routes = try HostLinks()
        links = try routes.links()
    }

    /// Somebody outside of the cluster, in a range that is for documents.
    static func outsider(_ family: IPFamily) -> IPAddress {
        switch family {
        case .ipv4: .v4(IPv4Address(rawValue: 203 << 24 | 113 << 8 | 77))
        case .ipv6: .v6(IPv6Address(high: 0x2001_0db8_ffff_0000, low: 0x77))
        }
    }

    /// The chains that would drop the first packet of a connection that a Service leads to an endpoint, on its way through this node.
    ///
    /// - Parameters:
    ///   - source: where it comes from.
    ///   - isOwn: whether the node itself connects.
    ///   - interface: the interface that it comes through, if somebody knows.
    func obstacles(
        from source: IPAddress, isOwn: Bool = false, to target: Target, through interface: String? = nil
    ) -> [FilterWalk.Obstacle] {
        let route = routes.route(to: target.backend.address)
        let packet = FilterPacket(
            from: source, to: target.backend.address, target.transport, port: target.backend.port, isTranslated: true,
            input: isOwn ? nil : self.interface(interface) ?? self.interface(routes.route(to: source)?.link),
            output: route?.isOwn == true ? nil : self.interface(route?.link))
        let walk = walk
        var result: [FilterWalk.Obstacle] = []
        if isOwn {
            result += walk.obstacles(to: packet, at: .output, priorities: Self.translation + 1 ... .max)
        } else {
            result += walk.obstacles(to: packet, at: .prerouting, priorities: Self.translation + 1 ... .max)
            result += walk.obstacles(to: packet, at: route?.isOwn == true ? .input : .forward)
        }
        if route?.isOwn != true { result += walk.obstacles(to: packet, at: .postrouting) }
        return result
    }

    /// The chains that would drop the first packet of a TCP connection to the node itself.
    func obstacles(from source: IPAddress, toOwn address: IPAddress, port: UInt16) -> [FilterWalk.Obstacle] {
        let packet = FilterPacket(
            from: source, to: address, .tcp, port: port, isTranslated: false,
            input: interface(routes.route(to: source)?.link))
        return walk.obstacles(to: packet, at: .prerouting) + walk.obstacles(to: packet, at: .input)
    }

    private var walk: FilterWalk {
        FilterWalk(rules) { [self] table, set, key in
            kernel.find(in: table, set: set, lengths: &lengths, key: key)
        }
    }

    private func interface(_ link: UInt32?) -> FilterPacket.Interface? {
        link.flatMap { links[$0] }.map { .init($0.name, index: $0.index) }
    }

    private func interface(_ name: String?) -> FilterPacket.Interface? {
        name.map { name in .init(name, index: links.values.first { $0.name == name }?.index) }
    }

    // MARK: Targets

    /// How many endpoints are looked at.
    private static let limit = 512

    /// Endpoints by what the node's own tables have, a few of each kind: what one of them meets, its like do, too.
    package func installedTargets() -> [Target] {
        var seen: [String: Int] = [:]
        var result: [Target] = []
        for family in IPFamily.allCases {
            let table = ForeignRules.Table(family: family, name: DataplaneOptions().tableName)
            let keys = ((try? kernel.keys(ofSet: SetID.backends.name, in: table)) ?? []).sorted {
                $0.lexicographicallyPrecedes($1)
            }
            for target in keys.prefix(Self.limit).compactMap({ Self.target($0, family) }) {
                let route = routes.route(to: target.backend.address)
                let kind = "\(family) \(target.transport) \(route?.link ?? 0) \(route?.isOwn ?? false)"
                seen[kind, default: 0] += 1
                if seen[kind] == 1, result.count < 32 { result.append(target) }
            }
        }
        return result
    }

    /// A key of the set: address, protocol and port, each field padded to four bytes, in network byte order.
    private static func target(_ key: [UInt8], _ family: IPFamily) -> Target? {
        let width = family.addressBits / 8
        guard key.count == width + 8, let transport = TransportProtocol(rawValue: key[width]) else { return nil }
        func number<Value: FixedWidthInteger>(_ part: ArraySlice<UInt8>) -> Value {
            part.reduce(0) { $0 << 8 | Value($1) }
        }
        let address: IPAddress =
            family == .ipv4
            ? .v4(IPv4Address(rawValue: number(key[..<4])))
            : .v6(IPv6Address(high: number(key[..<8]), low: number(key[8..<16])))
        return Target(
            backend: Backend(address: address, port: number(key[(width + 4)..<(width + 6)])), transport: transport)
    }

    // MARK: iptables-legacy

    /// A chain of iptables-legacy, whose rules nftables does not show.
    struct LegacyChain: Hashable, Sendable, CustomStringConvertible {
        var family: IPFamily
        var hook: FilterRules.Hook
        /// Whether there are rules before its policy.
        var hasRules: Bool

        var program: String { family == .ipv4 ? "iptables-legacy" : "ip6tables-legacy" }
        var chain: String { hook == .input ? "INPUT" : "FORWARD" }
        var description: String {
            "\(program), table filter, chain \(chain) (policy drop\(hasRules ? "; its rules cannot be seen from here" : ""))"
        }
    }

    /// The chains of iptables-legacy on the way of packets that drop what none of their rules accepts.
    static func legacyChains() -> [LegacyChain] {
        var result: [LegacyChain] = []
        for (family, number, file) in [(IPFamily.ipv4, Int32(2), "ip_tables_names"), (.ipv6, 10, "ip6_tables_names")] {
            // Asking for a table that is not there would make it.
            guard ProcFiles.lines("/proc/net/\(file)").contains("filter") else { continue }
            for hook in [FilterRules.Hook.forward, .input] {
                var hasRules: Int32 = 0
                guard fl_legacy_policy(number, "filter", hook.rawValue, &hasRules) == 1 else { continue }
                result.append(LegacyChain(family: family, hook: hook, hasRules: hasRules != 0))
            }
        }
        return result
    }
}
