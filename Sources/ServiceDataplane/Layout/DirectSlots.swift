import NetworkTypes
import ServicePolicy

/// The slots of one port under direct return: which endpoint owns each, and which one did before.
struct DirectSlots: Hashable, Sendable {
    /// The endpoints that slots are dealt to, sorted.
    private(set) var members: [Backend] = []
    /// What each of them weighs; empty if all weigh the same.
    private var weights: [UInt16] = []
    /// Whether no endpoint takes new connections: slots then only say where those that there are go on.
    private(set) var isDrained = false
    /// For each slot the position of its owner among the members.
    private(set) var owners: [UInt16] = []
    /// The address of the endpoint on another node that had the slot before, for slots that have moved away from one that is still there.
    private(set) var earlier: [UInt16: IPAddress] = [:]
    /// What takes the place of `earlier` once that one is gone. The kernel does not have it: a process that starts knows none.
    private var next: [UInt16: IPAddress] = [:]

    /// The owner of a slot.
    func owner(_ slot: Int) -> Backend { members[Int(owners[slot])] }

    /// Deals the slots of a port.
    ///
    /// - Parameters:
    ///   - port: the port as policy resolved it.
    ///   - direct: its direct return.
    ///   - previous: the slots before this change; nil if this process has none.
    ///   - recovered: where a slot led to by what the kernel has: its owner, and the one before.
    init(
        _ port: ResolvedServicePort, _ direct: DirectReturn, previous: DirectSlots?,
        recovered: (Int) -> (owner: IPAddress?, earlier: IPAddress?)
    ) {
        members = direct.members
        guard !members.isEmpty else { return }
        weights = direct.spread.weights
        isDrained = direct.spread.isDrained
        let isSame = previous?.members == members && previous?.weights == weights
        owners = isSame ? previous?.owners ?? [] : SlotTable(members, weights: weights).owners
        // Where endpoints terminate, dealing with them says who had their slots: on every node, and after a restart.
        let others = direct.spread.usableWeights
        let taking = others.isEmpty ? port.usable : zip(port.usable, others).filter { $0.1 > 0 }.map(\.0)
        let whole = taking == members ? nil : SlotTable(port.usable, weights: others).owners
        let usable = Set(port.usable.map(\.address))
        let here = Set(port.localUsable.map(\.address))
        let staying = Set(members.map(\.address)).union(direct.spread.drained)
        func isLeft(_ address: IPAddress?, by owner: Backend) -> IPAddress? {
            address.flatMap { $0 != owner.address && usable.contains($0) ? $0 : nil }
        }
        for slot in 0..<SlotTable.slotCount {
            let owner = owner(slot)
            let known =
                previous.map { ($0.members.isEmpty ? nil : $0.owner(slot).address, $0.earlier[UInt16(slot)]) }
                ?? recovered(slot)
            let (last, older) = (isLeft(known.0, by: owner), isLeft(known.1, by: owner))
            // There is one place. One that terminates has the connections that are soon over, and will not have any more. One on this
            // node needs no place: conntrack knows its connections.
            let isEnding = older.map { !staying.contains($0) } ?? false
            let dealt = whole.flatMap { $0.isEmpty ? nil : port.usable[Int($0[slot])].address }
            let further = isLeft(previous?.next[UInt16(slot)], by: owner)
            let candidates = (isEnding ? older : last, isEnding ? last : older, further, isLeft(dealt, by: owner))
            note(candidates.0, of: slot, unless: here)
            note(candidates.1, of: slot, unless: here)
            note(candidates.2, of: slot, unless: here)
            note(candidates.3, of: slot, unless: here)
        }
    }

    /// Notes an endpoint that had the slot before, if there is a place for it.
    private mutating func note(_ address: IPAddress?, of slot: Int, unless here: Set<IPAddress>) {
        guard let address, !here.contains(address) else { return }
        let slot = UInt16(truncatingIfNeeded: slot)
        if earlier[slot] == nil {
            earlier[slot] = address
        } else if earlier[slot] != address, next[slot] == nil {
            next[slot] = address
        }
    }
}
