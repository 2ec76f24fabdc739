import Netfilter

extension Interpreter {
    /// The branches that a packet starts with: one, or where its source port is not known and rules make a slot of it, one for each way
    /// that a slot may go, as likely as it has slots.
    func starts(of packet: Packet) -> [Branch] {
        let state = WalkState(packet)
        guard packet.hasUnknownSourcePort, let modulus = ruleset.slotLooks.lazy.compactMap(\.key.slots).first else {
            return [Branch(state: state, weight: 1)]
        }
        var branches: [Branch] = []
        var positions: [[ElementKey?]: Int] = [:]
        for slot in 0..<modulus {
            var probe = state
            probe.slot = slot
            let found = ruleset.slotLooks.map { look in
                probe.keys(look.key).first.flatMap { ruleset.find($0, in: look.set)?.value }
            }
            if let position = positions[found] {
                branches[position].weight += 1
            } else {
                positions[found] = branches.count
                branches.append(Branch(state: probe, weight: 1))
            }
        }
        for index in branches.indices { branches[index].weight /= Double(modulus) }
        return branches
    }
}

extension Statement {
    /// The set or map that the statement looks into by a slot of source address and port, with the whole key.
    var slotLook: (set: String, key: [Selector])? {
        switch self {
        case .lookup(let key, let set, _) where key.slots != nil: (set, key)
        case .duplicate(let key, let map) where key.slots != nil: (map, key)
        case .destinationNAT(let key, let map) where key.slots != nil: (map, key)
        default: nil
        }
    }
}

extension [Selector] {
    /// How many slots a hash of source address and port chooses from; nil if there is none in the concatenation.
    fileprivate var slots: UInt32? {
        for case .sourceSlot(let modulus, false) in self { return modulus }
        return nil
    }
}
