import KubernetesModel

/// What repeats in the objects of a list, kept once: names of nodes and zones, namespaces, hints.
struct TextPool: Sendable {
    private struct KnownHints: Sendable {
        var bytes: [UInt8] = []
        var hints = Endpoint.Hints()
    }

    private static let hintSlots = 256

    private var strings: StringPool
    /// Endpoints, each with what others of its node have as well.
    var endpoints: EndpointPool
    /// Lists of ports that are equal.
    var ports = PortPool()
    /// A cluster has as many different hints as zones, or a few more: looked up by their bytes, they are not even decoded.
    private var known: [KnownHints] = []

    /// Makes an empty pool.
    ///
    /// - Parameter capacity: How many long texts it keeps at the most.
    init(capacity: Int = StringPool.usualCapacity) {
        strings = StringPool(capacity: capacity)
        endpoints = EndpointPool(capacity: capacity)
    }

    /// The text of bytes.
    mutating func text(_ bytes: Bytes) -> String { strings.string(bytes) }

    /// Decodes `EndpointHints`.
    mutating func hints(_ bytes: Bytes) throws(WireError) -> Endpoint.Hints {
        if known.isEmpty { known = [KnownHints](repeating: KnownHints(), count: Self.hintSlots) }
        let slot = Int(truncatingIfNeeded: bytes.mixed % UInt64(Self.hintSlots))
        if known[slot].bytes.withUnsafeBytes({ $0.hasBytes(bytes) }) { return known[slot].hints }
        var hints = Endpoint.Hints()
        var reader = WireReader(bytes)
        while try reader.advance() {
            switch reader.field {
            case 1: hints.zones.append(try name(reader.bytes()))
            case 2: hints.nodes.append(try name(reader.bytes()))
            default: break
            }
        }
        known[slot] = KnownHints(bytes: Array(bytes), hints: hints)
        return hints
    }

    /// The name of a `ForZone` or a `ForNode`.
    private mutating func name(_ message: Bytes) throws(WireError) -> String {
        var name = Bytes.none
        var reader = WireReader(message)
        while try reader.advance(to: 1) { name = try reader.bytes() }
        return text(name)
    }
}
