import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
import Telemetry

/// The state of the cluster with what the node makes of it: here objects become policy, and policy becomes elements.
public struct DesiredState: Sendable {
    /// The objects.
    public private(set) var cluster = ClusterState()
    /// What shapes the rules.
    public let options: DataplaneOptions
    /// What the operator decides about the node.
    public let settings: NodeSettings
    /// What the node's interfaces have, as it was looked at last.
    public private(set) var host: HostFacts
    /// What the Services are to the tables.
    public internal(set) var dataplane: Dataplane
    /// Services that are not computed now: what the kernel has of them stays as it is.
    var setAside = ServicesSetAside()
    /// Whether changes have come that only a full pass can make something of.
    public private(set) var needsFullPass = false
    /// The pools with affinity that were left in the tables at the last full pass although nothing asked for them.
    var sparedPools: Set<UInt32> = []
    /// Whether the packet path may remember clients for endpoints that their pool has no longer.
    public internal(set) var mayHaveStaleClients = false
    /// What policy knew of the node when the Services were resolved last.
    private var resolvedNode: NodeContext?
    /// The endpoints of large Services whose slices change. A full pass, and any other change of the Service, discards them.
    var rosters: [ObjectKey: ServiceRoster] = [:]
    /// From how many endpoints on a Service has a roster.
    package var smallestRoster = ServiceRoster.smallest
    /// What is wrong with the node and with Services.
    var book = FindingBook()
    /// Health check ports, and what else is known of Services besides their elements.
    public private(set) var ledger = ServiceLedger()
    /// What it means that there is no Node object of this node's name.
    public var nodeAbsence = NodeAbsence.undecided {
        didSet { if nodeAbsence != oldValue { reviewNode() } }
    }
    /// Whether health check ports are answered, so that one that is not known matters.
    public var answersHealthChecks = false
    /// What changes since the last `takeStaleFlows` mean for flows.
    var staleFlows = StaleFlows()

    /// How many Services the last pass, or the last change, had to compute.
    public private(set) var computedServices = 0

    /// How many Services go through the stages together in a full pass.
    private static let groupSize = 64

    /// Starts without objects.
    public init(options: DataplaneOptions, settings: NodeSettings, host: HostFacts) {
        self.options = options
        self.settings = settings
        self.host = host
        dataplane = Dataplane(options: options)
    }

    /// The same objects on another node.
    public func seen(by settings: NodeSettings, host: HostFacts) -> DesiredState {
        var other = DesiredState(options: options, settings: settings, host: host)
        (other.cluster, other.nodeAbsence) = (cluster, nodeAbsence)
        other.held = held
        return other
    }

    /// What policy has to know of the node.
    public var nodeContext: NodeContext {
        let node = cluster.node(settings.nodeName)
        var context = NodeContext(
            nodeName: settings.nodeName, zone: node?.zone,
            addresses: IPFamily.allCases.compactMap { family in
                settings.primaryAddress.flatMap { $0.family == family ? $0 : nil } ?? node?.primaryAddress(family)
            })
        context.servesExternalIPs = settings.servesExternalIPs
        context.resetsGoneEndpoints = settings.resetsGoneEndpoints
        context.canHandOn = settings.canHandOn
        return context
    }

    /// Services of which an object is invalid: what the kernel has of them stays as it is.
    public var held: Set<ObjectKey> {
        get { setAside.held }
        set { setAside.held = newValue }
    }

    /// Services that the kernel does not take, with an element that it refused: what it has of them stays as it is.
    public var refused: [ObjectKey: RefusedElement] { setAside.refused }

    /// Whether the addresses of the node's interfaces could be read when they were looked at last.
    public private(set) var knowsAddresses = true

    /// Takes what the node's interfaces have now; `refreshNode` or a full pass has to follow. Addresses that could not be read
    /// stay as they were.
    public mutating func observe(_ facts: HostFacts) {
        let known = host.addresses
        host = facts
        knowsAddresses = facts.addresses != nil
        if !knowsAddresses { host.addresses = known }
    }

    /// What the node contributes to the tables now.
    private mutating func lookAtNode() -> NodeData {
        let node = cluster.node(settings.nodeName)
        var data = NodeData()
        switch options.localDetector {
        case .clusterCIDRs(let ranges): data.clusterCIDRs = ranges
        case .nodeCIDRs: data.clusterCIDRs = node?.podCIDRs ?? []
        case .bridge, .interfacePrefix: break
        }
        data.serviceCIDRs = cluster.serviceCIDRs.flatMap(\.cidrs)
        data.nodePortAddresses = settings.nodePortAddresses.choose(
            node: node, host: host.addresses ?? [], override: settings.primaryAddress, outgoing: host.outgoing)
        if options.servesLocalhostNodePorts {
            data.nodePortAddresses.append(.v4(IPv4Address(rawValue: 127 << 24 | 1)))
        }
        reviewNode()
        return data
    }

    /// From now on keeps what triggered changes of EndpointSlices, where that was later (nanoseconds since 1970).
    public mutating func countTriggers(after start: Int64) { cluster.countTriggers(after: start) }

    /// What triggered the changes that the kernel holds now and did not hold at the last call.
    mutating func takeTriggers() -> [EndpointTrigger] { cluster.takeTriggers() }

    /// The addresses that accept node ports, as they are in the tables.
    public var nodePortAddresses: [IPAddress] { dataplane.node.nodePortAddresses }

    /// The number of Services that are served.
    public var serviceCount: Int { dataplane.serviceCount }

    /// What is wrong, in order.
    public var findings: [Finding] { book.all(with: ledger) }

    /// What is wrong with the node itself.
    public var nodeFindings: [Finding] { book.node }

    /// How many reported findings there are now, of each kind.
    public var findingCounts: [ProxyMetrics.FindingKind: Int] { book.counts }

    /// The findings that are new since the last call.
    public mutating func takeNewFindings() -> [Finding] { book.takeNew(&ledger) }

    /// The health checks that have changed since the last call, nil for those that are gone.
    public mutating func takeChangedHealthChecks() -> [UInt16: HealthCheck?] { ledger.takeChangedHealthChecks() }

    // MARK: Full pass

    /// Takes changes of objects without making anything of them yet; a full pass has to follow.
    public mutating func load(_ changes: [ClusterChange]) -> AffectedState {
        cluster.apply(changes, keepingSlices: false)
    }

    /// Computes everything again and hands out the transactions that lead from what was observed to it, each as soon as
    /// it is complete.
    ///
    /// - Parameters:
    ///   - order: `cluster.byAge`, where it is known already.
    ///   - keepingUnknown: whether elements stay that nothing asks for.
    ///   - elementLimit: how many elements a transaction may have, if its Services allow.
    ///   - progress: is told from time to time how many Services are done, and how many there are.
    ///   - emit: carries a transaction out.
    public mutating func plan<Failure: Error>(
        from observed: [IPFamily: ObservedTable], existingSets: [Set<String>],
        order: ServiceOrder? = nil, keepingUnknown: Bool = false,
        elementLimit: Int = Planner.elementsPerTransaction, progress: (Int, Int) -> Void = { _, _ in },
        emit: (Transaction) throws(Failure) -> Void
    ) throws(Failure) {
        let observed = observed.mapValues(\.withImpliedAddresses)
        let known = observed.mapValues(\.withFormerElements.withAllAddresses)
        dataplane = Dataplane(
            options: options, largestExponent: Dataplane.largestExponent(providedBy: existingSets),
            timeouts: Dataplane.timeouts(providedBy: existingSets, and: affinityTimeouts),
            nextPool: Dataplane.nextPool(after: known),
            directReturn: Dataplane.directReturn(providedBy: existingSets))
        book.resetServices()
        staleFlows.keepWithdrawn()
        needsFullPass = false
        let retained = RetainedServices(held.union(refused.keys), in: known)
        setAside.begin(with: retained.services, keepingUnknown: keepingUnknown)
        ledger.removeAll(except: Set(setAside.suspended.keys))
        dataplane.share(with: retained, in: known)
        for (key, element) in refused { note(element, of: key) }
        if answersHealthChecks { noteUnknownHealthChecks(retained.externalLocal) }
        sparedPools = Dataplane.pools(in: known) { keepingUnknown || retained.keeps($0, $1, $2) }
        var planner = Planner(dataplane, observed: observed, limit: elementLimit)
        var layout = RecoveredLayout(observed)
        let node = nodeContext
        resolvedNode = node
        rosters = [:]
        // What unallocated ClusterIPs are told by comes last: until then it would drop those that are not loaded yet.
        let data = lookAtNode()
        var early = data
        early.serviceCIDRs = []
        planner.take(dataplane.setNode(early), of: dataplane)
        // Oldest first: a later Service never takes a frontend from an earlier one.
        let keys = unsuspended(in: order ?? cluster.byAge)
        computedServices = keys.count
        dataplane.reserve(services: keys.count, observed)
        // Where little fits a transaction, a group has to be small.
        let groupSize = max(1, min(Self.groupSize, elementLimit / 100))
        let ahead = PolicyAhead(keys, groupSize: groupSize, in: cluster, node: node)
        defer { ahead.cancel() }
        var count = 0
        while count < keys.count {
            let group = ahead.next().map { record($0) }
            for part in Self.parts(group) {
                var wanted = planner.beginGroup()
                note(dataplane.update(part, recovering: &layout, into: &wanted))
                planner.take(wanted, of: dataplane)
                for transaction in planner.drain() { try emit(transaction) }
            }
            count += group.count
            progress(count, keys.count)
        }
        planner.take(dataplane.setNode(data), of: dataplane)
        mayHaveStaleClients = true
        if !keepingUnknown { staleFlows.noteWithdrawn(in: known) { retained.keeps($0, $1, $2) } }
        dataplane.retireTimeouts { keepingUnknown || retained.timeouts.contains($0) }
        dataplane.retireDirectReturn(sparing: keepingUnknown || retained.returnsDirectly)
        var unclaimed: Set<KeptElement> = []
        planner.finish(dataplane) { family, set, key in
            let isRetained = retained.keeps(family, set, key)
            if isRetained { unclaimed.insert(KeptElement(family: family, set: set, key: key)) }
            return keepingUnknown || isRetained
        }
        for key in setAside.suspended.keys {
            setAside.suspended[key] = retained.service(key, in: known) { family, set, key in
                unclaimed.contains(KeptElement(family: family, set: set, key: key))
            }
        }
        for transaction in planner.drain() { try emit(transaction) }
        try planner.settle(dataplane, emit: emit)
    }

    /// A group in parts that each fit a transaction: Services with direct return have thousands of elements.
    private static func parts(
        _ group: [(key: ObjectKey, resolved: ResolvedService?)]
    ) -> [[(key: ObjectKey, resolved: ResolvedService?)]] {
        let isLarge = group.contains { $0.resolved?.ports.contains { $0.directReturn != nil } ?? false }
        return isLarge ? group.map { [$0] } : [group]
    }

    /// The affinity timeouts of all Services that are served for sure. (Those that are held may be left as they are.)
    private var affinityTimeouts: Set<Int> {
        var timeouts: Set<Int> = []
        cluster.forEachServiceWithAffinity { service in
            if let seconds = service.affinityTimeoutInForce, !held.contains(service.key) { timeouts.insert(seconds) }
        }
        return timeouts
    }

    private func unsuspended(in order: ServiceOrder) -> [ObjectKey] {
        let keys = cluster.keys(in: order)
        return setAside.suspended.isEmpty ? keys : keys.filter { setAside.suspended[$0] == nil }
    }

    /// Keeps what policy found, and hands over what the tables are made of.
    mutating func record(_ outcome: ServiceOutcome) -> (key: ObjectKey, resolved: ResolvedService?) {
        let (key, result) = (outcome.key, outcome.result)
        book.replace(result?.findings ?? [], of: key)
        outcome.note(in: &ledger)
        return (key, result?.service)
    }

    mutating func note(_ effects: ServiceEffects) {
        book.remove(code: ServiceEffects.contestedFrontend, of: effects.settled)
        staleFlows.formUnion(effects.staleFlows)
        for finding in effects.findings {
            guard let key = finding.subject?.key else { continue }
            book.add(finding, of: key)
        }
    }

    /// The tables as they are to be, from nothing: for `render` and tests.
    public mutating func tables() -> [TableState] {
        var elements: [IPFamily: [SetID: [Element]]] = [:]
        plan(from: [:], existingSets: []) { transaction throws(Never) in
            for step in transaction.steps {
                if case .addElements(let set, let added) = step.operation {
                    elements[step.family, default: [:]][set.id, default: []] += added
                }
            }
        }
        return IPFamily.allCases.map { TableState(schema: dataplane.schema($0), elements: elements[$0] ?? [:]) }
    }

    // MARK: Affinity

    /// Where clients may be remembered to go.
    public var clientClaims: ClientClaims { dataplane.clientClaims(sparing: sparedPools) }

    /// Notes that somebody is looking for stale clients.
    mutating func notedStaleClients() { mayHaveStaleClients = false }

    /// The schema that a full pass starts from.
    ///
    /// - Parameter existingSets: the names of the sets and chains that the tables have.
    public func expectedSchema(_ family: IPFamily, existingSets: [Set<String>]) -> TableSchema {
        Dataplane(
            options: options, largestExponent: Dataplane.largestExponent(providedBy: existingSets),
            timeouts: Dataplane.timeouts(providedBy: existingSets, and: affinityTimeouts),
            directReturn: Dataplane.directReturn(providedBy: existingSets)
        ).schema(family)
    }

    /// Which elements tables that were made for these objects probably have.
    ///
    /// - Parameter order: `cluster.byAge`.
    public func guesses(in order: ServiceOrder) -> ElementGuesses {
        LikelyElements(cluster, in: order, node: nodeContext).guesses
    }

    /// The schema of a family's table for the current state.
    public func schema(_ family: IPFamily) -> TableSchema { dataplane.schema(family) }

    /// Whether any Service has affinity.
    public var hasAffinity: Bool { dataplane.hasAffinity }

    // MARK: Changes

    /// Takes changes of objects and returns the transactions for what they change in tables that hold the state before.
    public mutating func apply(_ changes: [ClusterChange]) -> [Transaction] {
        let affected = cluster.apply(changes)
        // What has changed deserves another try.
        let changed = affected.services.intersection(refused.keys)
        guard changed.isEmpty else {
            for key in changed { setAside.refused[key] = nil }
            needsFullPass = true
            return []
        }
        return transactions(for: affected)
    }

    /// Brings what the node contributes in line with what was observed of it (`observe`).
    public mutating func refreshNode() -> [Transaction] {
        computedServices = 0
        return changeNode()
    }

    private mutating func changeNode() -> [Transaction] {
        let provision = dataplane.provision
        let former = Set(dataplane.node.nodePortAddresses)
        let delta = dataplane.setNode(lookAtNode())
        staleFlows.formUnion(dataplane.staleFlows(formerNodePortAddresses: former))
        return dataplane.transactions(for: delta, previous: provision)
    }

    /// Hands over which flows may not go on as they are, now that the tables hold the state.
    public mutating func takeStaleFlows() -> StaleFlows {
        var flows = staleFlows
        flows.nodePortAddresses = Set(dataplane.node.nodePortAddresses)
        flows.formerNodePortAddresses.subtract(flows.nodePortAddresses)
        staleFlows = StaleFlows()
        return flows
    }

    private mutating func transactions(for affected: AffectedState) -> [Transaction] {
        var result: [Transaction] = []
        let node = nodeContext
        // What policy knows of the node can change every Service's pools; heartbeats and the like change nothing.
        let isNodeChanged = node != resolvedNode
        resolvedNode = node
        if isNodeChanged { rosters = [:] }
        result += takeBack(node: node)
        let gone = affected.services.filter { cluster.service($0) == nil }
        let keys =
            isNodeChanged
            ? gone.sorted() + unsuspended(in: cluster.byAge)
            : affected.services.filter { setAside.suspended[$0] == nil }.sorted()
        computedServices = keys.count
        var start = 0
        while start < keys.count {
            let end = min(start + Self.groupSize, keys.count)
            let provision = dataplane.provision
            var group: [(key: ObjectKey, resolved: ResolvedService?)] = []
            var endpoints: [(key: ObjectKey, changes: [EndpointChanges])] = []
            for key in keys[start..<end] {
                if let changes = endpointChanges(of: key, affected) {
                    endpoints.append((key, changes))
                } else {
                    group.append(record(ServiceOutcome(key, in: cluster, node: node)))
                    if affected.slicesAlone[key] != nil { enroll(key, group.last?.resolved, node: node) }
                }
            }
            let delta = dataplane.update(group, endpoints: endpoints)
            note(delta.effects)
            mayHaveStaleClients = mayHaveStaleClients || delta.effects.leavesStaleClients
            result += dataplane.transactions(for: delta, previous: provision)
            start = end
        }
        if affected.nodeChanged || affected.serviceCIDRsChanged { result += changeNode() }
        return result
    }
}
