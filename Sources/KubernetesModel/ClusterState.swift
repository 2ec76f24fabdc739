import NetworkTypes

/// Services in an order, for walks through the state that made it as long as that does not change.
public struct ServiceOrder: Sendable {
    fileprivate let positions: [Int32]

    /// How many Services there are.
    public var count: Int { positions.count }
}

/// What the frontends of a Service are made of: fields of `Service` by the same names.
public struct ServiceFront: Sendable {
    /// `spec.ports`.
    public let ports: [ServicePort]
    /// `spec.clusterIPs`.
    public let clusterIPs: [IPAddress]
    /// `spec.externalIPs`.
    public let externalIPs: [IPAddress]
    /// `status.loadBalancer.ingress`.
    public let loadBalancerIngress: [Service.LoadBalancerIngress]
    /// Whether `spec.externalTrafficPolicy` is Local, or acts as Local on nodes with an endpoint by an annotation.
    public let mayBeLocal: Bool
    /// Whether the annotation `fairlead.dev/skip` takes all frontends from the Service.
    public let isSkipped: Bool
}

/// All objects of a cluster that the dataplane is made from, as they are now.
///
/// Applying changes costs as much as the changes are many, whatever the size of the cluster. Objects are kept as they are
/// handed over, and share their storage with the source's: sources see to it that equal names share theirs.
public struct ClusterState: Sendable {
    /// A Service and its slices. There is one for a Service that exists, and for one that only slices name as yet.
    private struct Slot {
        var key: ObjectKey
        /// The Service as it was handed over: a reference, to what the source may keep as well.
        var object: ClusterObject?
        /// Sorted by key, each key once.
        var slices: [EndpointSlice] = []

        var service: Service? {
            if case .service(let service)? = object { return service }
            return nil
        }

        var isVacant: Bool { object == nil && slices.isEmpty }

        /// Where the slice with the key is, or would be.
        func insertionIndex(of key: ObjectKey) -> Int {
            var range = slices.indices
            while !range.isEmpty {
                let middle = range.lowerBound + range.count / 2
                range = slices[middle].key < key ? middle + 1..<range.upperBound : range.lowerBound..<middle
            }
            return range.lowerBound
        }

        func hasSlice(_ key: ObjectKey) -> Bool {
            let index = insertionIndex(of: key)
            return index < slices.count && slices[index].key == key
        }
    }

    // Slots that have become vacant are used again.
    private var slots = ChunkedList<Slot>()
    private var vacantSlots: [Int32] = []
    /// The slots that are not vacant.
    private var slotOfService = PositionIndex()
    /// A slot for each of its slices.
    private var slotOfSlice = PositionIndex()
    private var nodesByName: [String: Node] = [:]
    private var serviceCIDRsByName: [String: ServiceCIDR] = [:]
    private var triggers = PendingTriggers()

    /// The number of Services.
    public private(set) var serviceCount = 0

    /// Makes the state of a cluster without objects.
    public init() {}

    /// Applies changes in their order.
    ///
    /// An object that is applied again without a difference, and the deletion of an unknown object, change nothing. A
    /// slice without the label `kubernetes.io/service-name` is of no Service and is not kept. What triggered a change of a
    /// slice is no difference, and is not kept with the slice. A complete list (``ClusterChange/retained(_:_:)``) costs a
    /// look at each known object of its kind.
    ///
    /// - Parameters:
    ///   - changes: The changes.
    ///   - keepsSlices: Whether the result is to have slices as they were and are.
    /// - Returns: What has to be computed again. A change that a later one takes back may still be in it.
    public mutating func apply(_ changes: [ClusterChange], keepingSlices keepsSlices: Bool = true) -> AffectedState {
        var affected = AffectedState(keepingSlices: keepsSlices)
        for change in changes {
            switch change {
            case .applied(let object):
                switch object {
                case .service(let service): set(object, for: service.key, affected: &affected)
                case .endpointSlice(let slice): apply(slice, affected: &affected)
                case .node(let node): setNode(node, named: node.name, affected: &affected)
                case .serviceCIDR(let range): setServiceCIDR(range, named: range.name, affected: &affected)
                }
            case .deleted(let id): delete(id, affected: &affected)
            case .retained(let kind, let keys): retain(keys, of: kind, affected: &affected)
            }
        }
        return affected
    }
}

/// Triggers of changes of EndpointSlices: how long changes took to get here.
extension ClusterState {
    /// From now on keeps what triggered changes of EndpointSlices, where that was later than a moment (nanoseconds since 1970).
    public mutating func countTriggers(after start: Int64) { triggers.start = start }

    /// What triggered the changes since the last call. For a change of a slice that came with the annotation, once for each
    /// change; those of a Service are forgotten when one of its slices goes, as kube-proxy does it.
    public mutating func takeTriggers() -> [EndpointTrigger] { triggers.take() }
}

/// Reading.
extension ClusterState {
    /// The Service with the key; nil if there is none.
    public func service(_ key: ObjectKey) -> Service? {
        position(of: key).flatMap { slots[$0].service }
    }

    /// The EndpointSlices that name the Service, sorted by key. There may be some before the Service exists.
    public func slices(of key: ObjectKey) -> [EndpointSlice] {
        position(of: key).map { slots[$0].slices } ?? []
    }

    /// The Service that a slice names; nil if there is no such slice.
    public func service(ofSlice key: ObjectKey) -> ObjectKey? { position(ofSlice: key).map { slots[$0].key } }

    /// Where a Service is, or would be because slices name it.
    private func position(of key: ObjectKey) -> Int? {
        slotOfService.position(PositionIndex.hash(key)) { slots[$0].key == key }
    }

    /// Where the Service of a slice is.
    private func position(ofSlice key: ObjectKey) -> Int? {
        slotOfSlice.position(PositionIndex.hash(key)) { slots[$0].hasSlice(key) }
    }

    /// The keys of all Services, sorted.
    public var serviceKeys: [ObjectKey] {
        slots.compactMap { $0.object == nil ? nil : $0.key }.sorted()
    }

    /// Calls the body for every Service with its slices, in no particular order, without copying them.
    public func forEachService(_ body: (Service, [EndpointSlice]) -> Void) {
        for slot in slots {
            if let service = slot.service { body(service, slot.slices) }
        }
    }

    /// Calls the body for every Service with `spec.sessionAffinity: ClientIP`, in no particular order. The others are not even
    /// looked at as a whole.
    public func forEachServiceWithAffinity(_ body: (Service) -> Void) {
        for index in slots.indices {
            guard case .clientIP? = slots[index].service?.sessionAffinity else { continue }
            if let service = slots[index].service { body(service) }
        }
    }

    /// The number of EndpointSlices.
    public var sliceCount: Int { slotOfSlice.count }

    /// The node with the name; nil if there is none.
    public func node(_ name: String) -> Node? { nodesByName[name] }

    /// The number of nodes.
    public var nodeCount: Int { nodesByName.count }

    /// All nodes, sorted by name.
    public var nodes: [Node] { nodesByName.values.sorted { $0.name < $1.name } }

    /// All ServiceCIDRs, sorted by name.
    public var serviceCIDRs: [ServiceCIDR] { serviceCIDRsByName.values.sorted { $0.name < $1.name } }
}

/// By age.
extension ClusterState {
    /// All Services, the oldest first: by creation time, then by key.
    public var byAge: ServiceOrder {
        var ages: [(time: UInt64, position: Int32)] = []
        ages.reserveCapacity(serviceCount)
        var areNumbers = true
        for index in slots.indices {
            guard let time = slots[index].service?.creationTime else { continue }
            let number = time.number
            areNumbers = areNumbers && number != nil
            ages.append((number ?? 0, Int32(truncatingIfNeeded: index)))
        }
        // Text is compared where it has to be: a comparison of numbers costs a fraction of it.
        ages.sort { left, right in
            if areNumbers, left.time != right.time { return left.time < right.time }
            let (left, right) = (Int(left.position), Int(right.position))
            if areNumbers { return slots[left].key < slots[right].key }
            guard let time = slots[left].service?.creationTime, let other = slots[right].service?.creationTime else {
                return false
            }
            return time == other ? slots[left].key < slots[right].key : time < other
        }
        return ServiceOrder(positions: ages.map(\.position))
    }

    /// The keys of the Services in an order.
    public func keys(in order: ServiceOrder) -> [ObjectKey] { order.positions.map { slots[Int($0)].key } }

    /// Calls the body with the slices of each Service in an order, without copying them. The Services are not even looked at.
    public func forEachSlices(in order: ServiceOrder, _ body: ([EndpointSlice]) -> Void) {
        for position in order.positions { body(slots[Int(position)].slices) }
    }

    /// Calls the body for each Service in an order with what its frontends are made of, and its slices.
    public func forEachFront(in order: ServiceOrder, _ body: (ServiceFront, [EndpointSlice]) -> Void) {
        for position in order.positions.lazy.map({ Int($0) }) where slots[position].service?.serviceProxyName == nil {
            // Field by field: to copy a Service counts some twenty references.
            let front = ServiceFront(
                ports: slots[position].service?.ports ?? [], clusterIPs: slots[position].service?.clusterIPs ?? [],
                externalIPs: slots[position].service?.externalIPs ?? [],
                loadBalancerIngress: slots[position].service?.loadBalancerIngress ?? [],
                mayBeLocal: slots[position].service?.mayBeExternallyLocal ?? false,
                isSkipped: slots[position].service?.isSkipped ?? false)
            body(front, slots[position].slices)
        }
    }
}

/// Services and slices.
extension ClusterState {
    private mutating func delete(_ id: ObjectID, affected: inout AffectedState) {
        switch id.kind {
        case .service: set(nil, for: id.key, affected: &affected)
        case .endpointSlice: removeSlice(id.key, affected: &affected)
        case .node: setNode(nil, named: id.key.name, affected: &affected)
        case .serviceCIDR: setServiceCIDR(nil, named: id.key.name, affected: &affected)
        }
    }

    private mutating func retain(_ keys: Set<ObjectKey>, of kind: ObjectID.Kind, affected: inout AffectedState) {
        let gone: [ObjectKey] =
            switch kind {
            case .service: slots.lazy.filter { $0.object != nil }.map(\.key).filter { !keys.contains($0) }
            case .endpointSlice: slots.lazy.flatMap(\.slices).map(\.key).filter { !keys.contains($0) }
            case .node: nodesByName.keys.lazy.map { ObjectKey(name: $0) }.filter { !keys.contains($0) }
            case .serviceCIDR: serviceCIDRsByName.keys.lazy.map { ObjectKey(name: $0) }.filter { !keys.contains($0) }
            }
        for key in gone { delete(ObjectID(kind: kind, key: key), affected: &affected) }
    }

    /// - Parameter object: a Service; nil if there is none any more.
    private mutating func set(_ object: ClusterObject?, for key: ObjectKey, affected: inout AffectedState) {
        guard object != nil || position(of: key) != nil else { return }
        let position = slot(of: key)
        let old = slots[position].object
        guard old != object else { return }
        slots[position].object = object
        // The same text: what names it shares the storage of the Service's name.
        slots[position].key = key
        serviceCount += (object == nil ? 0 : 1) - (old == nil ? 0 : 1)
        affected.note(service: key)
        releaseIfVacant(position)
    }

    private mutating func apply(_ slice: EndpointSlice, affected: inout AffectedState) {
        let owner = slice.serviceKey
        var known = position(ofSlice: slice.key)
        if let position = known, slots[position].key != owner {
            // The label names another Service now: both change.
            removeSlice(slice.key, affected: &affected)
            known = nil
        }
        guard let owner else { return }
        let position = known ?? slot(of: owner)
        let index = slots[position].insertionIndex(of: slice.key)
        var plain = slice
        plain.lastChangeTriggerTime = nil
        plain.serviceName = slots[position].key.name
        let old = known == nil ? nil : slots[position].slices[index]
        guard old != plain else { return }
        if slots[position].service?.serviceProxyName == nil { triggers.note(slice, of: owner) }
        if known == nil {
            slots[position].slices.insert(plain, at: index)
            slotOfSlice.insert(position, PositionIndex.hash(slice.key))
        } else {
            slots[position].slices[index] = plain
        }
        note(SliceChange(old: old, new: plain), at: position, affected: &affected)
    }

    private mutating func removeSlice(_ key: ObjectKey, affected: inout AffectedState) {
        guard let position = position(ofSlice: key) else { return }
        slotOfSlice.remove(position, PositionIndex.hash(key))
        let index = slots[position].insertionIndex(of: key)
        let old = slots[position].slices.remove(at: index)
        triggers.noteRemoval(from: slots[position].key)
        note(SliceChange(old: old, new: nil), at: position, affected: &affected)
        releaseIfVacant(position)
    }

    /// A Service that does not exist has no result that could change; it is reported once it comes.
    private func note(_ change: SliceChange, at position: Int, affected: inout AffectedState) {
        if slots[position].object != nil { affected.note(change, of: slots[position].key) }
    }

    private mutating func slot(of key: ObjectKey) -> Int {
        if let position = position(of: key) { return position }
        let position: Int
        if let vacant = vacantSlots.popLast() {
            position = Int(vacant)
            slots[position].key = key
        } else {
            position = slots.count
            slots.append(Slot(key: key))
        }
        slotOfService.insert(position, PositionIndex.hash(key))
        return position
    }

    private mutating func releaseIfVacant(_ position: Int) {
        guard slots[position].isVacant else { return }
        slotOfService.remove(position, PositionIndex.hash(slots[position].key))
        slots[position] = Slot(key: ObjectKey(name: ""))
        vacantSlots.append(Int32(truncatingIfNeeded: position))
    }
}

/// Nodes and ServiceCIDRs.
extension ClusterState {
    private mutating func setNode(_ node: Node?, named name: String, affected: inout AffectedState) {
        guard nodesByName[name] != node else { return }
        nodesByName[name] = node
        affected.nodes.insert(name)
    }

    private mutating func setServiceCIDR(_ range: ServiceCIDR?, named name: String, affected: inout AffectedState) {
        guard serviceCIDRsByName[name] != range else { return }
        serviceCIDRsByName[name] = range
        affected.serviceCIDRsChanged = true
    }
}
