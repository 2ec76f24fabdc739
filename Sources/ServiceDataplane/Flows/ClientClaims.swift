import Netfilter
import NetworkTypes
import ServicePolicy

/// To which endpoints the clients of each pool with affinity may be remembered to go: a value, so that a look at what is remembered can
/// take its time while the dataplane changes.
public struct ClientClaims: Sendable {
    /// What is to become of what the packet path remembers of a client.
    public enum Verdict: Hashable, Sendable {
        /// Nothing is remembered any more.
        case gone
        /// It stays.
        case live
        /// It has to go: the pool is gone, or has the endpoint no longer. The client would be sent there until its time is up.
        case stale
        /// One of two maps has something, and it fits. A packet may be about to write the other one; if it stays like this, one of
        /// the two has expired, the memory is of no use, and what is left of it would be joined with the client's next endpoint.
        case half
    }

    private var pools: [IPFamily: [UInt32: Set<Backend>]] = [:]
    private let spared: Set<UInt32>

    /// No pool.
    ///
    /// - Parameter spared: numbers of pools that are left as they are in the tables, whoever's they are.
    init(spared: Set<UInt32>) { self.spared = spared }

    mutating func add(_ new: [UInt32: Set<Backend>], _ family: IPFamily) {
        if !new.isEmpty { pools[family, default: [:]].merge(new) { $1 } }
    }

    /// Judges what is remembered of one client.
    ///
    /// - Parameters:
    ///   - key: client, protocol and number of the pool, as the maps have it.
    ///   - address: what the map `affinity` has for it: IPv4 address and port, or an IPv6 address.
    ///   - port: what the map `affinity-port` has for it; nil for IPv4.
    public func verdict(_ key: ElementKey, _ family: IPFamily, address: ElementKey?, port: ElementKey?) -> Verdict {
        if address == nil && port == nil { return .gone }
        let number = UInt32(bigEndian: key[family == .ipv4 ? 8 : 12])
        guard let pool = pools[family]?[number] else { return spared.contains(number) ? .live : .stale }
        if family == .ipv4 {
            return address.flatMap { Backend(data: $0, family) }.map(pool.contains) == true ? .live : .stale
        }
        var data = address ?? ElementKey()
        if let port { data[16] = port[0] }
        guard let backend = Backend(data: data, family) else { return .stale }
        if address != nil && port != nil { return pool.contains(backend) ? .live : .stale }
        let fits = pool.contains { port == nil ? $0.address == backend.address : $0.port == backend.port }
        return fits ? .half : .stale
    }

    /// The keys of a family's clients of which something may have to go.
    ///
    /// - Parameter remembered: the elements of the maps, not necessarily of one moment: to be looked at again by key.
    public func suspects(_ family: IPFamily, in remembered: [SetID: ObservedElements]) -> [ElementKey] {
        let addresses = remembered[.affinity] ?? [:]
        let ports = remembered[.affinityPort] ?? [:]
        var suspects: [ElementKey] = []
        for (key, element) in addresses {
            let port = family == .ipv6 ? ports[key]?.value : nil
            if verdict(key, family, address: element.value, port: port) != .live { suspects.append(key) }
        }
        for (key, element) in ports where addresses.position(of: key) == nil {
            if verdict(key, family, address: nil, port: element.value) != .live { suspects.append(key) }
        }
        return suspects
    }
}
