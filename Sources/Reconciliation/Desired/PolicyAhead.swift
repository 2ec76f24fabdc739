import Dispatch
import KubernetesModel
import ServicePolicy
import Synchronization

/// What policy makes of one Service. An object, so that handing it over counts one reference and not those of each of its parts.
final class ServiceOutcome: Sendable {
    let key: ObjectKey
    /// Nil if there is no such Service.
    let result: PolicyResolution?
    private let check: HealthCheck?
    private let tcpNodePorts: [UInt16]

    init(_ key: ObjectKey, in cluster: ClusterState, node: NodeContext) {
        self.key = key
        guard let service = cluster.service(key) else {
            (result, check, tcpNodePorts) = (nil, nil, [])
            return
        }
        let slices = cluster.slices(of: key)
        let result = ServicePolicy.resolve(service, slices: slices, node: node)
        self.result = result
        check = result.service.flatMap { healthCheck(of: service, resolved: $0, slices: slices, node: node) }
        tcpNodePorts = result.service?.tcpNodePorts ?? []
    }

    /// Tells a ledger of what the node owes to the Service besides forwarding.
    func note(in ledger: inout ServiceLedger) {
        ledger.record(
            key, check: check, gaps: result?.service?.localGaps ?? [:], tcpNodePorts: tcpNodePorts,
            creationTimestamp: result?.service?.creationTime.text ?? "")
    }
}

/// Policy for many Services in groups, in their order, some groups ahead of who asks for them.
///
/// What policy makes of a Service depends on its objects and the node alone, so that another thread can do it. If none is free, who
/// asks does it: nothing ever waits for a thread that has not begun.
final class PolicyAhead: Sendable {
    private struct Progress {
        /// The first group that nobody has begun.
        var begun = 0
        /// The group that is asked for next.
        var asked = 0
        /// Groups that the other thread has done, by number.
        var done: [Int: [ServiceOutcome]] = [:]
        var isCancelled = false
    }

    /// How many groups the other thread may be ahead.
    private static let lead = 16

    private let keys: [ObjectKey]
    private let groupSize: Int
    private let cluster: ClusterState
    private let node: NodeContext
    private let progress = Mutex(Progress())
    /// How many groups the other thread may still begin.
    private let room = DispatchSemaphore(value: 0)
    /// Signalled for each group that the other thread has done.
    private let finished = DispatchSemaphore(value: 0)

    private var groupCount: Int { (keys.count + groupSize - 1) / groupSize }

    /// Begins. `cancel` has to follow.
    init(_ keys: [ObjectKey], groupSize: Int, in cluster: ClusterState, node: NodeContext) {
        self.keys = keys
        self.groupSize = groupSize
        self.cluster = cluster
        self.node = node
        // Not the semaphore's first value: it may not end below that.
        for _ in 0..<Self.lead { room.signal() }
        if groupCount > 1 { DispatchQueue.global(qos: .userInitiated).async { self.run() } }
    }

    /// The next group; empty when there is none.
    func next() -> [ServiceOutcome] {
        while true {
            let (mine, outcomes) = progress.withLock { progress -> (Int?, [ServiceOutcome]?) in
                let group = progress.asked
                if group >= groupCount { return (nil, []) }
                if let outcomes = progress.done.removeValue(forKey: group) {
                    progress.asked += 1
                    return (nil, outcomes)
                }
                guard progress.begun == group else { return (nil, nil) }
                progress.begun += 1
                progress.asked += 1
                return (group, nil)
            }
            if outcomes == nil, mine == nil {
                finished.wait()
                continue
            }
            room.signal()
            return outcomes ?? mine.map(resolve) ?? []
        }
    }

    /// Lets the other thread end soon.
    func cancel() {
        progress.withLock { $0.isCancelled = true }
        room.signal()
    }

    private func run() {
        while true {
            room.wait()
            let group = progress.withLock { progress -> Int? in
                if progress.isCancelled || progress.begun >= groupCount { return nil }
                defer { progress.begun += 1 }
                return progress.begun
            }
            guard let group else { return }
            let outcomes = resolve(group)
            progress.withLock { $0.done[group] = outcomes }
            finished.signal()
        }
    }

    private func resolve(_ group: Int) -> [ServiceOutcome] {
        keys[group * groupSize..<min((group + 1) * groupSize, keys.count)].map {
            ServiceOutcome($0, in: cluster, node: node)
        }
    }
}
