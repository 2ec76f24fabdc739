import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// Makes the elements of one Service port.
struct ServiceElements {
    /// An element of a set of its own, or a call for a shared one.
    struct Item {
        var set: SetID
        var element: Element
        var isShared = false
    }

    private(set) var items: [Item] = []
    private let service: ObjectKey
    private var pools = PoolNumbers()
    /// The pool numbers that frontends of the port have: a number without a frontend would be another one in each process.
    private var used: [UInt32] = []
    private let listsLocalBackends: Bool

    /// - Parameter listsLocalBackends: whether the endpoints of this node have a set of their own.
    init(_ service: ObjectKey, listsLocalBackends: Bool) {
        self.service = service
        self.listsLocalBackends = listsLocalBackends
    }

    /// Appends the elements of a port. Its pools are in the order of their slots.
    mutating func append(_ port: ResolvedServicePort, pools: PoolNumbers, owns: (Frontend) -> Bool) {
        self.pools = pools
        used = []
        let expected = port.frontends.count * (port.clusterPool.count + port.localPool.count + 4)
        items.reserveCapacity(items.count + expected + port.usable.count)
        let comment = Self.comment(service, port.name)
        for frontend in port.frontends where owns(frontend) {
            let key = Self.key(of: frontend, port.transport)
            if let address = frontend.address, frontend.kind == .clusterIP {
                appendClusterIP(key, address, port, comment)
            } else {
                appendExternal(key, isNodePort: frontend.address == nil, port, comment)
            }
            if frontend.kind == .loadBalancerIP { appendRanges(key, port, comment) }
        }
        appendShared(port)
        appendTimeouts()
    }

    private mutating func appendClusterIP(
        _ key: KeyBuilder, _ address: IPAddress, _ port: ResolvedServicePort, _ comment: String
    ) {
        var builder = KeyBuilder()
        builder.append(address)
        items.append(Item(set: .clusterIPs, element: Element(builder.key), isShared: true))
        let pool = port.internalPolicy == .local ? port.localPool : port.clusterPool
        if port.usable.isEmpty {
            items.append(Item(set: .rejectServices, element: Element(key.key, comment: comment)))
        } else if pool.isEmpty {
            items.append(Item(set: .dropServices, element: Element(key.key, comment: comment)))
        } else {
            let isLocal = port.internalPolicy == .local
            appendPool(.services, key, pool, comment, number: isLocal ? pools.local : pools.cluster)
        }
    }

    private mutating func appendExternal(
        _ key: KeyBuilder, isNodePort: Bool, _ port: ResolvedServicePort, _ comment: String
    ) {
        func mark(_ addresses: SetID, _ nodePorts: SetID) {
            items.append(
                Item(set: isNodePort ? nodePorts : addresses, element: Element(key.key, comment: comment)))
        }
        guard !port.usable.isEmpty else { return mark(.rejectServices, .rejectNodePorts) }
        appendPool(
            isNodePort ? .nodePorts : .services, key, port.clusterPool, comment, number: pools.cluster)
        guard port.externalPolicy == .local else { return mark(.masqueradeExternal, .masqueradeExternalNodePorts) }
        mark(.externalLocal, .externalLocalNodePorts)
        if port.localPool.isEmpty {
            mark(.dropOutsideServices, .dropOutsideNodePorts)
        } else {
            appendPool(
                isNodePort ? .localNodePorts : .localServices, key, port.localPool, comment, number: pools.local)
        }
    }

    /// A load balancer's address is open to the ranges only, whatever endpoints there are.
    private mutating func appendRanges(_ frontend: KeyBuilder, _ port: ResolvedServicePort, _ comment: String) {
        guard let ranges = port.sourceRanges else { return }
        items.append(Item(set: .restricted, element: Element(frontend.key, comment: comment)))
        for range in NodeElements.joined(ranges) {
            var first = frontend
            first.append(range.first)
            var last = frontend
            last.append(range.last)
            items.append(Item(set: .sourceRanges, element: Element(first.key, to: last.key)))
        }
    }

    private mutating func appendPool(
        _ kind: PoolKind, _ frontend: KeyBuilder, _ pool: [Backend], _ comment: String, number: UInt32
    ) {
        if number != 0 {
            var data = KeyBuilder()
            data.append(priority: number)
            items.append(Item(set: kind.sticky, element: Element(frontend.key, data: data.key, comment: comment)))
            if !used.contains(number) { used.append(number) }
        }
        let exponent = min(PoolSize.exponent(pool.count), PoolSize.largestExponent)
        items.append(Item(set: kind.members(exponent: exponent), element: Element(frontend.key, comment: comment)))
        for (slot, backend) in pool.prefix(PoolSize.capacity).enumerated() {
            var key = frontend
            key.append(slot: UInt32(slot))
            var data = KeyBuilder()
            data.append(backend.address)
            data.append(port: backend.port)
            items.append(Item(set: kind.slots, element: Element(key.key, data: data.key)))
        }
    }

    /// Which pools have which timeout.
    private mutating func appendTimeouts() {
        for number in used {
            var key = KeyBuilder()
            key.append(priority: number)
            let set = AffinitySchema.members(at: pools.timeout)
            items.append(Item(set: set, element: Element(key.key)))
        }
    }

    private mutating func appendShared(_ port: ResolvedServicePort) {
        for backend in port.usable {
            items.append(Item(set: .backends, element: Element(Self.key(of: backend, port.transport)), isShared: true))
        }
        for backend in listsLocalBackends ? port.localUsable : [] {
            items.append(
                Item(set: .localBackends, element: Element(Self.key(of: backend, port.transport)), isShared: true))
        }
        for address in port.hairpinAddresses {
            var key = KeyBuilder()
            key.append(address)
            key.append(address)
            items.append(Item(set: .hairpin, element: Element(key.key), isShared: true))
        }
    }

    /// The key of an endpoint: `address . protocol . port`.
    static func key(of backend: Backend, _ transport: TransportProtocol) -> ElementKey {
        var key = KeyBuilder()
        key.append(backend.address)
        key.append(transport)
        key.append(port: backend.port)
        return key.key
    }

    /// The key of a frontend: `address . protocol . port`, or `protocol . port` of a node port.
    static func key(of frontend: Frontend, _ transport: TransportProtocol) -> KeyBuilder {
        var key = KeyBuilder()
        if let address = frontend.address { key.append(address) }
        key.append(transport)
        key.append(port: frontend.port)
        return key
    }

    /// `namespace/name:port`, cut to what `nft` can show.
    static func comment(_ service: ObjectKey, _ portName: String) -> String {
        let text = portName.isEmpty ? service.description : "\(service):\(portName)"
        return text.utf8.count < Element.commentCapacity
            ? text : String(decoding: text.utf8.prefix(Element.commentCapacity - 1), as: UTF8.self)
    }
}
