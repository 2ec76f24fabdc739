/// Makes equal long names of nodes and zones share their text.
///
/// A decoder makes a string of its own for each endpoint, and names of more than 15 bytes are allocated: a million
/// endpoints would hold 60 to 90 MB of copies of a few thousand names.
struct NamePool: Sendable {
    /// Names of nodes that are long gone stay until the pool is full; then it starts anew, which costs only sharing.
    private static let capacity = 1 << 16
    /// Up to this length a Swift string needs no allocation.
    private static let inlineLength = 15

    private var names: Set<String> = []

    /// Lets the endpoints of the slice use the texts of the pool.
    mutating func share(_ slice: inout EndpointSlice) {
        for index in slice.endpoints.indices {
            if let name = slice.endpoints[index].nodeName { slice.endpoints[index].nodeName = shared(name) }
            if let zone = slice.endpoints[index].zone { slice.endpoints[index].zone = shared(zone) }
        }
    }

    private mutating func shared(_ name: String) -> String {
        guard name.utf8.count > Self.inlineLength else { return name }
        if names.count >= Self.capacity { names.removeAll() }
        return names.insert(name).memberAfterInsert
    }
}
