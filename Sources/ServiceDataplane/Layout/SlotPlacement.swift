import ServicePolicy

/// Gives the members of a pool their slots.
enum SlotPlacement {
    /// The members in the order of their slots, with as few moves as the change allows.
    ///
    /// Slots have to be 0..<count without a gap. A member keeps its slot if it still exists; the members whose slots
    /// are beyond the end, and new ones, fill the gaps in sorted order. So the result depends on the set of members and
    /// on the previous slots, never on the order in which the API lists endpoints.
    static func place(_ members: [Backend], previous: [Backend]) -> [Backend] {
        if previous.isEmpty || previous == members { return members }
        var remaining = Set(members)
        var slots = [Backend?](repeating: nil, count: members.count)
        for (slot, backend) in previous.prefix(members.count).enumerated() {
            slots[slot] = remaining.remove(backend)
        }
        if remaining.isEmpty { return slots.compactMap { $0 } }
        var fill = members.lazy.filter { remaining.contains($0) }.makeIterator()
        return slots.compactMap { $0 ?? fill.next() }
    }
}
