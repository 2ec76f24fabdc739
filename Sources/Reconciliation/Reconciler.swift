import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// What a synchronization did.
public struct SyncReport: Sendable {
    /// Elements and structures changed.
    public var counts = ChangeCounts()
    /// Transactions committed.
    public var transactions = 0
    /// How often it started over because somebody else changed the ruleset meanwhile.
    public var restarts = 0
    /// The flows that may not go on as they are. They are to be removed now: before the commit, their next packet would
    /// have made the same entry again.
    public var staleFlows = StaleFlows()
    /// What changed, in words: of a full synchronization alone.
    public var summary = ChangeSummary()
    /// What triggered the changes of EndpointSlices that the kernel now holds.
    public var triggers: [EndpointTrigger] = []
    /// How many Services were computed again for it.
    public var services = 0

    /// Nothing done.
    public init() {}
}

/// What a full synchronization is at.
public enum SyncPhase: Hashable, Sendable {
    /// It reads what the kernel has.
    case observing
    /// It computes Services and commits what differs; `elements` is what it has added and removed so far.
    case committing(services: Int, of: Int, elements: Int)
}

/// Keeps the kernel's tables equal to the desired state.
///
/// The kernel is the memory of what is installed: a full synchronization observes it and commits the difference. After
/// that, as long as each commit succeeds, the desired state stands in for another look.
public final class Reconciler<Kernel: DataplaneKernel> {
    let kernel: Kernel
    /// What is wanted.
    public private(set) var desired: DesiredState { didSet { claims = nil } }
    /// `desired.clientClaims`, once they were asked for.
    var claims: ClientClaims?
    /// Whether the kernel is known to hold the desired state.
    public private(set) var isSynchronized = false
    /// Whether all objects have been loaded. Until then nothing is deleted that no object asks for: an object that is
    /// not known yet may.
    public var knowsAllObjects = true
    /// Whether tables that have no owner are claimed before they are changed. Then nobody else can change them, and a
    /// table that belongs to another process is an error even if there is nothing to change.
    public var claimsTables = false
    /// The generation after the last own commit or verification.
    public internal(set) var generation: UInt32?
    /// Is told what full synchronizations are at, often.
    public var onPhase: ((SyncPhase) -> Void)?

    /// How often a synchronization starts over without Services that the kernel refuses. It tells of one element in some
    /// hundred at a time.
    private static var refusalRounds: Int { 64 }
    /// How often a synchronization insists that nobody else commits meanwhile.
    private static var patientAttempts: Int { 8 }

    /// Makes a reconciler that has done nothing yet.
    public init(kernel: Kernel, desired: DesiredState) {
        self.kernel = kernel
        self.desired = desired
    }

    // MARK: Full synchronization

    /// Names the Services of which an object is invalid: what the kernel has of them stays as it is. If one of them
    /// is held no longer, a change has to follow, even an empty one: it costs that Service.
    ///
    /// - Returns: whether that is so.
    public func hold(_ services: Set<ObjectKey>) -> Bool { desired.hold(services) }

    /// Says what it means that there is no Node object of this node's name; no commit follows from it.
    public func judgeNodeAbsence(_ absence: NodeAbsence) { desired.nodeAbsence = absence }

    /// Takes changes of objects without committing anything; `synchronize` has to follow.
    public func load(_ changes: [ClusterChange]) {
        _ = desired.load(changes)
        isSynchronized = false
    }

    /// Observes the kernel and commits the difference.
    public func synchronize() throws(Kernel.Failure) -> SyncReport {
        isSynchronized = false
        var restarts = 0
        var refusals = 0
        while true {
            do throws(Kernel.Failure) {
                var report = try attempt(exclusively: restarts < Self.patientAttempts)
                report.restarts = restarts
                report.staleFlows = takeStaleFlows()
                report.triggers = desired.takeTriggers()
                isSynchronized = true
                return report
            } catch {
                // One bad element must not keep all others out.
                if refusals < Self.refusalRounds, desired.leaveOut(error.refusedElements) {
                    refusals += 1
                    continue
                }
                guard error.isStaleGeneration, restarts < Self.patientAttempts else { throw error }
                restarts += 1
            }
        }
    }

    private func attempt(exclusively: Bool) throws(Kernel.Failure) -> SyncReport {
        onPhase?(.observing)
        // Nobody can come between where nobody else can change anything: neighbours do not hold up a first load.
        let isOwned = try claim()
        let exclusively = exclusively && !isOwned
        let order = desired.cluster.byAge
        let observation = try observe(in: order)
        var expected = observation.value.generation
        var report = SyncReport()
        let keepsUnknown = !knowsAllObjects
        let limit = min(Planner.elementsPerTransaction, kernel.elementCapacity)
        // While the kernel carries out one transaction, the next one is planned.
        try desired.plan(
            from: observation.value.tables, existingSets: observation.sets, order: order,
            keepingUnknown: keepsUnknown, elementLimit: limit,
            progress: { [onPhase] done, total in
                let elements = report.counts.added + report.counts.removed
                onPhase?(.committing(services: done, of: total, elements: elements))
            }
        ) { (transaction: Transaction) throws(Kernel.Failure) in
            try kernel.submit(transaction, expecting: exclusively ? expected : nil) { _ in }
            expected &+= 1
            report.transactions += 1
            report.counts.add(ChangeCounts([transaction]))
            report.summary.add(transaction)
        }
        try kernel.settle()
        report.services = desired.computedServices
        // Not what the kernel says now: a commit of somebody else after the last own one is to be noticed.
        generation = expected
        return report
    }

    /// Makes the tables that are there the kernel connection's own, where that is wanted and possible. Whether nobody else
    /// can change any of them now.
    private func claim() throws(Kernel.Failure) -> Bool {
        guard claimsTables else { return false }
        let owners = try kernel.ownership(ofTable: desired.options.tableName)
        var claim = Transaction(tableName: desired.options.tableName)
        for family in IPFamily.allCases {
            switch owners[family] {
            case .orphan, .foreign: claim.append(family, .claimTable)
            case .own, .shared, nil: continue
            }
        }
        if !claim.isEmpty { try kernel.commit(claim, expecting: nil) }
        return IPFamily.allCases.allSatisfy { owners[$0] != nil && owners[$0] != .shared }
    }

    private func observe(in order: ServiceOrder) throws(Kernel.Failure) -> (value: Observation, sets: [Set<String>]) {
        var sets: [Set<String>] = []
        let desired = desired
        let value = try kernel.observe(tableName: desired.options.tableName, guesses: desired.guesses(in: order)) {
            names in
            sets = Array(names.values)
            return IPFamily.allCases.map { desired.expectedSchema($0, existingSets: sets) }
        }
        return (value, sets)
    }

    /// The transactions that `synchronize` would commit now.
    public func plan() throws(Kernel.Failure) -> [Transaction] {
        let order = desired.cluster.byAge
        let observation = try observe(in: order)
        var result: [Transaction] = []
        let keepsUnknown = !knowsAllObjects
        desired.plan(
            from: observation.value.tables, existingSets: observation.sets, order: order, keepingUnknown: keepsUnknown
        ) { transaction throws(Never) in result.append(transaction) }
        return result
    }

    /// The findings that are new since the last call.
    public func takeNewFindings() -> [Finding] { desired.takeNewFindings() }

    /// The health checks that have changed since the last call, nil for those that are gone.
    public func takeChangedHealthChecks() -> [UInt16: HealthCheck?] { desired.takeChangedHealthChecks() }

    // MARK: Changes

    /// Commits what changes of objects mean. After a failure the next call synchronizes in full.
    public func apply(_ changes: [ClusterChange]) throws(Kernel.Failure) -> SyncReport {
        guard isSynchronized else {
            load(changes)
            return try synchronize()
        }
        let transactions = desired.apply(changes)
        if desired.needsFullPass { return try synchronize() }
        return try commit(transactions)
    }

    /// Tries again what the kernel refused. Nil if it refused nothing.
    public func retryRefused() throws(Kernel.Failure) -> SyncReport? {
        guard !desired.refused.isEmpty else { return nil }
        desired.admitRefused()
        return try synchronize()
    }

    /// Takes what the node's interfaces have now: `refreshNode` or `synchronize` acts on it.
    public func observe(_ facts: HostFacts) { desired.observe(facts) }

    /// Follows the node's own addresses, as they were observed last.
    public func refreshNode() throws(Kernel.Failure) -> SyncReport {
        guard isSynchronized else { return try synchronize() }
        return try commit(desired.refreshNode())
    }

    /// Repairs what others did to the tables, if anybody committed anything since the last look. Nil if nobody did.
    public func verify() throws(Kernel.Failure) -> SyncReport? {
        let wasSynchronized = isSynchronized
        if wasSynchronized, try kernel.generation() == generation { return nil }
        var report = try synchronize()
        // Others committed something of their own: the rules have been in force all the time.
        if wasSynchronized && report.counts.isEmpty { report.staleFlows = StaleFlows() }
        return report
    }

    /// While objects are missing nobody knows which endpoints are gone.
    private func takeStaleFlows() -> StaleFlows {
        var flows = desired.takeStaleFlows()
        if !knowsAllObjects { _ = flows.takeConnections() }
        return flows
    }

    private func commit(_ transactions: [Transaction]) throws(Kernel.Failure) -> SyncReport {
        var report = SyncReport()
        report.services = desired.computedServices
        guard !transactions.isEmpty else {
            report.staleFlows = takeStaleFlows()
            report.triggers = desired.takeTriggers()
            return report
        }
        isSynchronized = false
        let before = try kernel.generation()
        for transaction in transactions {
            do throws(Kernel.Failure) { try kernel.commit(transaction, expecting: nil) } catch {
                // It may be somebody else's element that is in the way, or one that is left out then.
                if !error.refusedElements.isEmpty { return try synchronize() }
                throw error
            }
            report.transactions += 1
            report.counts.add(ChangeCounts([transaction]))
        }
        // Only own commits since the last look: the tables are as they were left. Otherwise `verify` looks.
        if before == generation { generation = before &+ UInt32(transactions.count) }
        isSynchronized = true
        report.staleFlows = takeStaleFlows()
        report.triggers = desired.takeTriggers()
        return report
    }

    /// Whether commits since the last call may have left clients that are remembered for endpoints which their pool has no longer:
    /// then somebody has to look (`ClientLook`).
    public func takeStaleClients() -> Bool {
        guard desired.mayHaveStaleClients else { return false }
        desired.notedStaleClients()
        return true
    }
}

extension ChangeCounts {
    mutating func add(_ other: ChangeCounts) {
        added += other.added
        removed += other.removed
        structural += other.structural
    }
}
