import KubernetesModel
import Netfilter
import NetworkTypes
import ServicePolicy

/// Takes the elements of one Service in one family as they are made.
protocol ServiceElementSink {
    /// - Parameter isShared: whether this is a call for an element that several Services can have; else it is one Service's own.
    mutating func take(_ set: SetID, _ element: Element, isShared: Bool)
}

extension ServiceElementSink {
    mutating func take(_ set: SetID, _ element: Element) { take(set, element, isShared: false) }
}

/// Elements in a list.
struct ElementList: ServiceElementSink {
    /// An element of a set of its own, or a call for a shared one.
    struct Item {
        var set: SetID
        var element: Element
        var isShared: Bool
    }

    private(set) var items: [Item] = []

    mutating func take(_ set: SetID, _ element: Element, isShared: Bool) {
        items.append(Item(set: set, element: element, isShared: isShared))
    }
}

/// Makes the elements of one Service port.
struct ServiceElements {
    private let service: ObjectKey
    private var pools = PoolNumbers()
    /// The pool numbers that frontends of the port have: a number without a frontend would be another one in each process.
    private var used: [UInt32] = []
    private let options: DataplaneOptions
    private var extent: ElementExtent?

    /// - Parameter options: which sets there are besides those that there always are.
    init(_ service: ObjectKey, _ options: DataplaneOptions) {
        self.service = service
        self.options = options
    }

    /// Makes the elements of a port. Its pools are in the order of their slots.
    ///
    /// - Parameter extent: which elements of its endpoints are made; nil for all.
    mutating func make(
        _ port: ResolvedServicePort, pools: PoolNumbers, direct: DirectSlots?, extent: ElementExtent? = nil,
        into sink: inout some ServiceElementSink, owns: (Frontend) -> Bool
    ) {
        self.pools = pools
        self.extent = extent
        used = []
        let comment = FrontendComment(service, port: port.name).text
        for frontend in port.frontends where owns(frontend) {
            let key = Self.key(of: frontend, port.transport)
            if let address = frontend.address, frontend.kind == .clusterIP {
                makeClusterIP(key, address, port, comment, &sink)
            } else {
                let direct = frontend.servesDirectReturn ? direct : nil
                makeExternal(key, frontend, direct != nil, port, comment, &sink)
                if let direct { makeDirect(key, direct, port, comment, &sink) }
                if let address = frontend.address { makeAddress(address, .externalAddresses, &sink) }
            }
            if options.countsTraffic, !port.usable.isEmpty { makeTraffic(key, frontend, comment, &sink) }
            if frontend.kind == .loadBalancerIP { makeRanges(key, port, comment, &sink) }
        }
        makeShared(port, &sink)
        makeTimeouts(&sink)
    }

    private mutating func makeClusterIP(
        _ key: KeyBuilder, _ address: IPAddress, _ port: ResolvedServicePort, _ comment: String,
        _ sink: inout some ServiceElementSink
    ) {
        makeAddress(address, .clusterIPs, &sink)
        let pool = port.internalPolicy == .local ? port.localPool : port.clusterPool
        if port.clusterPool.isEmpty {
            let set: SetID = port.noEndpointAction == .drop ? .dropEmptyServices : .rejectServices
            sink.take(set, Element(key.key, comment: comment))
        } else if pool.isEmpty {
            sink.take(.dropServices, Element(key.key, comment: comment))
        } else {
            let isLocal = port.internalPolicy == .local
            makePool(
                .services, key, pool, extent.map { isLocal ? $0.localSlots : $0.clusterSlots }, comment,
                number: isLocal ? pools.local : pools.cluster, &sink)
        }
    }

    /// Where the bytes and packets of a frontend's connections are counted, also of those to endpoints with weight 0.
    private func makeTraffic(
        _ key: KeyBuilder, _ frontend: Frontend, _ comment: String, _ sink: inout some ServiceElementSink
    ) {
        let sets: [SetID] =
            frontend.address == nil ? [.nodePortTrafficIn, .nodePortTrafficOut] : [.trafficIn, .trafficOut]
        for set in sets { sink.take(set, Element(key.key, comment: comment)) }
    }

    private func makeAddress(_ address: IPAddress, _ set: SetID, _ sink: inout some ServiceElementSink) {
        var builder = KeyBuilder()
        builder.append(address)
        sink.take(set, Element(builder.key), isShared: true)
        sink.take(.frontendAddresses, Element(builder.key), isShared: true)
    }

    private mutating func makeExternal(
        _ key: KeyBuilder, _ frontend: Frontend, _ isDirect: Bool, _ port: ResolvedServicePort, _ comment: String,
        _ sink: inout some ServiceElementSink
    ) {
        let isNodePort = frontend.address == nil
        func mark(_ addresses: SetID, _ nodePorts: SetID) {
            sink.take(isNodePort ? nodePorts : addresses, Element(key.key, comment: comment))
        }
        // What is in none of these sets is left to the routes.
        let passes = port.passesWithoutEndpoint(frontend)
        guard !port.clusterPool.isEmpty else {
            // Connections of endpoints with weight 0 go on, and what fits none of them is still the Service's.
            if port.isDrained {
                if port.externalPolicy == .local {
                    mark(.externalLocal, .externalLocalNodePorts)
                } else {
                    mark(.masqueradeExternal, .masqueradeExternalNodePorts)
                }
            }
            if passes {
                if isDirect { mark(.dropOutsideServices, .dropOutsideNodePorts) }
                return
            }
            if port.noEndpointAction == .drop { return mark(.dropEmptyServices, .dropEmptyNodePorts) }
            return mark(.rejectServices, .rejectNodePorts)
        }
        makePool(
            isNodePort ? .nodePorts : .services, key, port.clusterPool, extent?.clusterSlots, comment,
            number: pools.cluster, &sink)
        if port.externalPolicy == .local {
            mark(.externalLocal, .externalLocalNodePorts)
        } else {
            mark(.masqueradeExternal, .masqueradeExternalNodePorts)
            // Under direct return sources outside have the local pool for what another node hands on.
            if !isDirect { return }
        }
        if port.localPool.isEmpty {
            // What another node has handed on is not left to the routes: they lead back to it.
            if !passes || isDirect { mark(.dropOutsideServices, .dropOutsideNodePorts) }
        } else {
            makePool(
                isNodePort ? .localNodePorts : .localServices, key, port.localPool, extent?.localSlots, comment,
                number: pools.local, &sink)
        }
    }

    /// A load balancer's address is open to the ranges only, whatever endpoints there are.
    private func makeRanges(
        _ frontend: KeyBuilder, _ port: ResolvedServicePort, _ comment: String, _ sink: inout some ServiceElementSink
    ) {
        guard let ranges = port.sourceRanges else { return }
        sink.take(.restricted, Element(frontend.key, comment: comment))
        for range in NodeElements.joined(ranges) {
            var first = frontend
            first.append(range.first)
            var last = frontend
            last.append(range.last)
            sink.take(.sourceRanges, Element(first.key, to: last.key))
        }
    }

    private mutating func makePool(
        _ kind: PoolKind, _ frontend: KeyBuilder, _ pool: [Backend], _ slots: [Int]?, _ comment: String,
        number: UInt32, _ sink: inout some ServiceElementSink
    ) {
        if number != 0 {
            var data = KeyBuilder()
            data.append(priority: number)
            sink.take(kind.sticky, Element(frontend.key, data: data.key, comment: comment))
            if !used.contains(number) { used.append(number) }
            if kind == .services || kind == .nodePorts {
                sink.take(kind.isNodePort ? .affineNodePorts : .affine, Element(frontend.key, comment: comment))
            }
        }
        let exponent = min(PoolSize.exponent(pool.count), PoolSize.largestExponent)
        sink.take(kind.members(exponent: exponent), Element(frontend.key, comment: comment))
        let served = pool.prefix(PoolSize.capacity)
        func take(_ slot: Int) {
            var key = frontend
            key.append(slot: UInt32(slot))
            sink.take(kind.slots, Element(key.key, data: Self.data(of: served[slot])))
        }
        if let slots {
            for slot in slots where slot < served.count { take(slot) }
        } else {
            for slot in served.indices { take(slot) }
        }
    }

    /// Which pools have which timeout.
    private func makeTimeouts(_ sink: inout some ServiceElementSink) {
        for number in used {
            var key = KeyBuilder()
            key.append(priority: number)
            var data = KeyBuilder()
            data.append(priority: UInt32(pools.timeout))
            sink.take(.stickyTimeouts, Element(key.key, data: data.key))
        }
    }

    private func makeShared(_ port: ResolvedServicePort, _ sink: inout some ServiceElementSink) {
        for backend in extent?.usable ?? port.usable {
            sink.take(.backends, Element(Self.key(of: backend, port.transport)), isShared: true)
        }
        for backend in options.preservesLocalSource ? extent?.localUsable ?? port.localUsable : [] {
            sink.take(.localBackends, Element(Self.key(of: backend, port.transport)), isShared: true)
        }
        for address in extent?.hairpin ?? port.hairpinAddresses {
            var key = KeyBuilder()
            key.append(address)
            key.append(address)
            sink.take(.hairpin, Element(key.key), isShared: true)
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

    /// The data of a slot: `address . port`.
    static func data(of backend: Backend) -> ElementData {
        var data = KeyBuilder()
        data.append(backend.address)
        data.append(port: backend.port)
        return data.key
    }

    /// The key of a frontend: `address . protocol . port`, or `protocol . port` of a node port.
    static func key(of frontend: Frontend, _ transport: TransportProtocol) -> KeyBuilder {
        var key = KeyBuilder()
        if let address = frontend.address { key.append(address) }
        key.append(transport)
        key.append(port: frontend.port)
        return key
    }
}
