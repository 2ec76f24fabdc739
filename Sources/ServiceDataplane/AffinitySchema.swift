import Netfilter
import NetworkTypes

/// The sets and rules of ClientIP affinity.
///
/// A pool with affinity has a number. The number travels in the packet's priority from the rule that finds the frontend to
/// the one, five steps later in the same hook, that remembers which endpoint the client got, and is taken off there. What is
/// remembered is keyed by client, protocol and pool: all frontends of a Service port share it.
public enum AffinitySchema {
    /// Room for the clients of all pools. The kernel refuses more, and those clients are spread without affinity.
    private static let capacity: UInt32 = 262_144

    /// The first number of a pool; `nft` shows it as `fa1e:1`. Other programs' priorities are small.
    static let firstPool: UInt32 = 0xFA1E_0001

    /// The set of the pools with the timeout at a position of the list.
    static func members(at position: Int) -> SetID {
        SetID(SetID.firstStickyTimeout.rawValue + UInt16(clamping: position))
    }

    /// The position of the timeout whose set this is; nil if it is another set.
    static func position(of set: SetID) -> Int? {
        set < .firstStickyTimeout ? nil : Int(set.rawValue - SetID.firstStickyTimeout.rawValue)
    }

    static func membersName(timeout: Int) -> String { "\(membersPrefix)\(timeout)" }

    /// What the names of those sets begin with. (No other set has digits after it.)
    static let membersPrefix = "sticky-"

    static func sets(_ family: IPFamily, timeouts: AffinityTimeouts) -> [SetDeclaration] {
        let maps = PoolKind.allCases.map { kind in
            SetDeclaration(
                kind.sticky, kind.stickyName, key: kind.isNodePort ? SchemaSets.nodePort : SchemaSets.frontend,
                data: [.priority], comment: "frontend: pool with affinity")
        }
        return maps + memories(family)
            + timeouts.all.map { position, seconds in
                SetDeclaration(
                    members(at: position), membersName(timeout: seconds), key: [.priority],
                    comment: "pools with affinity for \(seconds) seconds")
            }
    }

    /// `nft` 1.0.6 can neither write nor read a map that packets fill and whose key or data has more than 16 bytes. So IPv6
    /// clients are told apart by a hash of 64 bits (two clients with the same one would share an endpoint), and address and
    /// port of the endpoint are two maps.
    private static func memories(_ family: IPFamily) -> [SetDeclaration] {
        func memory(_ id: SetID, _ name: String, _ key: [Selector], _ data: [Selector]) -> SetDeclaration {
            SetDeclaration(
                id, name, key: key, data: data, isDynamic: true, size: capacity, comment: "client and pool: endpoint")
        }
        if family == .ipv4 {
            let key: [Selector] = [.sourceAddress, .transportProtocol, .priority]
            return [memory(.affinity, "affinity", key, [.destinationAddress, .destinationPort])]
        }
        let half = Selector.random(modulus: UInt32(PoolSize.capacity))
        let key: [Selector] = [half, half, .transportProtocol, .priority]
        return [
            memory(.affinity, "affinity", key, [.destinationAddress]),
            memory(.affinityPort, "affinity-port", key, [.destinationPort]),
        ]
    }

    private static func key(_ family: IPFamily) -> [Selector] {
        family == .ipv4
            ? [.sourceAddress, .transportProtocol, .priority]
            : [.hashedSourceAddress(seed: 1), .hashedSourceAddress(seed: 2), .transportProtocol, .priority]
    }

    /// Sends a client where it was sent last. Without a frontend in the map, or without a memory, the rule ends.
    static func recall(_ kind: PoolKind, _ family: IPFamily) -> Rule {
        let frontend = kind.isNodePort ? SchemaSets.nodePort : SchemaSets.frontend
        let set = Statement.setPriority(frontend, map: kind.stickyName)
        return family == .ipv4
            ? [set, .destinationNAT(key(family), map: "affinity")]
            : [set, .destinationNATFromTwo(key(family), addresses: "affinity", ports: "affinity-port")]
    }

    /// A rule ends where a full map takes no more: the number is taken off the packet by a rule of its own.
    static func remember(_ family: IPFamily, timeouts: AffinityTimeouts) -> [Rule] {
        timeouts.all.map(\.seconds).sorted().flatMap { seconds in
            var rule: Rule = [.lookup([.priority], set: membersName(timeout: seconds))]
            if family == .ipv4 {
                let data: [Selector] = [.destinationAddress, .destinationPort]
                rule.append(.update(key(family), map: "affinity", data: data, seconds: seconds))
            } else {
                rule.append(.update(key(family), map: "affinity", data: [.destinationAddress], seconds: seconds))
                rule.append(.update(key(family), map: "affinity-port", data: [.destinationPort], seconds: seconds))
            }
            return [rule, [.lookup([.priority], set: membersName(timeout: seconds)), .resetPriority]]
        }
    }
}
