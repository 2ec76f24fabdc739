import ServicePolicy

/// Gives the members of a pool their slots.
enum SlotPlacement {
    /// The members in the order of their slots, with as few moves as the change allows. One that has several slots is there as often.
    ///
    /// Slots have to be 0..<count without a gap. A member keeps its slot if it still exists; the members whose slots
    /// are beyond the end, and new ones, fill the gaps in sorted order. So the result depends on the set of members and
    /// on the previous slots, never on the order in which the API lists endpoints.
    static func place(_ members: [Backend], previous: [Backend]) -> [Backend] {
        if previous.isEmpty || previous == members { return members }
        var remaining = Set(members)
        if remaining.count != members.count { return placeRepeated(members, previous: previous) }
        var slots = [Backend?](repeating: nil, count: members.count)
        for (slot, backend) in previous.prefix(members.count).enumerated() {
            slots[slot] = remaining.remove(backend)
        }
        if remaining.isEmpty { return slots.compactMap { $0 } }
        var fill = members.lazy.filter { remaining.contains($0) }.makeIterator()
        return slots.compactMap { $0 ?? fill.next() }
    }

    /// The same where weights give members several slots.
    private static func placeRepeated(_ members: [Backend], previous: [Backend]) -> [Backend] {
        var remaining: [Backend: Int] = [:]
        for member in members { remaining[member, default: 0] += 1 }
        var slots = [Backend?](repeating: nil, count: members.count)
        for (slot, backend) in previous.prefix(members.count).enumerated() {
            guard let count = remaining[backend], count > 0 else { continue }
            remaining[backend] = count - 1
            slots[slot] = backend
        }
        var next = members.startIndex
        for slot in slots.indices where slots[slot] == nil {
            while next < members.endIndex, remaining[members[next]] == 0 { next += 1 }
            guard next < members.endIndex else { break }
            slots[slot] = members[next]
            remaining[members[next], default: 1] -= 1
        }
        return slots.compactMap { $0 }
    }
}
