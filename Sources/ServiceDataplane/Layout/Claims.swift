import KubernetesModel
import NetworkTypes
import ServicePolicy

/// A frontend as the kernel tells frontends apart: no two Services can have the same one.
struct Claim: Hashable {
    private var high: UInt64
    private var low: UInt64
    private var port: UInt16
    private var transport: UInt8
    /// 4 or 6 for an address of that family, 14 or 16 for a node port.
    private var scope: UInt8

    init(_ frontend: Frontend, _ port: ResolvedServicePort) {
        self.init(address: frontend.address, port: frontend.port, port.transport, port.family)
    }

    /// - Parameter address: nil for a node port.
    init(address: IPAddress?, port: UInt16, _ transport: TransportProtocol, _ family: IPFamily) {
        switch address {
        case .v4(let address)?: (high, low) = (0, UInt64(address.rawValue))
        case .v6(let address)?: (high, low) = (address.high, address.low)
        case nil: (high, low) = (0, 0)
        }
        self.port = port
        self.transport = transport.rawValue
        scope = family.rawValue + (address == nil ? 10 : 0)
    }
}

/// Which Service serves each frontend.
///
/// Where several Services claim the same frontend the oldest serves it (creation time, then namespace and name), so
/// that the winner is the same on every node and after every restart.
struct Claims {
    private struct Owner: CompactTableEntry {
        var key: Claim
        var service: ObjectKey
    }

    private var owners = CompactTable<Owner>()
    /// All claimants, of frontends with more than one only.
    private var contested: [Claim: [ObjectKey]] = [:]

    /// Makes room for so many frontends.
    mutating func reserveCapacity(_ capacity: Int) { owners.reserveCapacity(capacity) }

    func owner(_ claim: Claim) -> ObjectKey? { owners[claim]?.service }

    /// All Services that claim the frontend, the one that serves it first.
    func claimants(_ claim: Claim) -> [ObjectKey] {
        guard let owner = self.owner(claim) else { return [] }
        return [owner] + (contested[claim] ?? []).filter { $0 != owner }.sorted()
    }

    /// Adds or re-ranks a claim. Returns the other claimants, if the frontend changes hands by it.
    mutating func add(_ claim: Claim, by key: ObjectKey, isOlder: (ObjectKey, ObjectKey) -> Bool) -> [ObjectKey] {
        guard let owner = self.owner(claim) else {
            owners[claim] = Owner(key: claim, service: key)
            return []
        }
        if contested[claim] == nil {
            if owner == key { return [] }
            contested[claim] = [owner]
        }
        if contested[claim]?.contains(key) != true { contested[claim]?.append(key) }
        return rank(claim, isOlder: isOlder, except: key)
    }

    /// Withdraws a claim. Returns the other claimants, if the frontend changes hands by it.
    mutating func remove(_ claim: Claim, by key: ObjectKey, isOlder: (ObjectKey, ObjectKey) -> Bool) -> [ObjectKey] {
        guard contested[claim] != nil else {
            if self.owner(claim) == key { owners[claim] = nil }
            return []
        }
        contested[claim]?.removeAll { $0 == key }
        if self.owner(claim) == key { owners[claim] = nil }
        let changed = rank(claim, isOlder: isOlder, except: key)
        if contested[claim]?.count == 1 { contested[claim] = nil }
        return changed
    }

    /// Gives the frontend to its oldest claimant. Returns the claimants other than `key` if that is another one than
    /// before: one gets the frontend or loses it, and what is found of the others names the one that has it.
    private mutating func rank(
        _ claim: Claim, isOlder: (ObjectKey, ObjectKey) -> Bool, except key: ObjectKey
    ) -> [ObjectKey] {
        let before = self.owner(claim)
        let after = contested[claim]?.min { isOlder($0, $1) }
        owners[claim] = after.map { Owner(key: claim, service: $0) }
        return before == after ? [] : contested[claim]?.filter { $0 != key } ?? []
    }
}
