import KubernetesModel
import NetworkTypes
import ServicePolicy

/// The daemon's numbers. Names and meanings are kube-proxy's where there is the same thing to tell.
public struct ProxyMetrics: Sendable {
    /// Changes of objects of one kind.
    public struct Changes: Hashable, Sendable {
        /// Since the start.
        public var total = 0
        /// Not yet applied.
        public var pending = 0

        mutating func add() {
            total += 1
            pending += 1
        }
    }

    /// Findings that hold now, by what they are about.
    public struct FindingKind: Hashable, Sendable {
        /// The code.
        public var code: String
        /// How much it matters.
        public var severity: Finding.Severity

        /// The kind of a finding.
        public init(_ finding: Finding) {
            code = finding.code
            severity = finding.severity
        }
    }

    /// What an attempt to bring the kernel in line was, for `attempted`.
    public enum Round: Hashable, Sendable {
        /// A look at the tables and the difference.
        case full
        /// What some changes mean.
        case partial
    }

    /// The version of the program.
    public var version: String
    /// Seconds of successful rounds, by kind.
    public private(set) var seconds: [Round: Histogram]
    /// Rounds that failed.
    public private(set) var failures = 0
    /// How often a full round started over because another program had changed the ruleset.
    public private(set) var restarts = 0
    /// How often another program's changes of the tables were repaired.
    public var driftRepairs = 0
    /// Whether another program keeps undoing the repairs, so that they wait.
    public var isDriftContested = false
    /// Whether nobody else can change a family's table; absent before the first look.
    public var protectedTables: [IPFamily: Bool] = [:]
    /// Seconds of looks into conntrack for stale flows.
    public private(set) var flowSeconds = Histogram(start: 0.001, factor: 2, count: 15)
    /// Conntrack entries deleted because their flow was stale.
    public private(set) var deletedFlows: [IPFamily: Int] = [:]
    /// Those of TCP among them.
    public private(set) var resetConnections: [IPFamily: Int] = [:]
    /// Clients with affinity that were forgotten because their endpoint had gone.
    public private(set) var forgottenClients: [IPFamily: Int] = [:]
    /// Whether a kind of clean-up after commits has failed for a while.
    public var failingCleanups: [Cleanup: Bool] = [:]
    /// Seconds from what triggered a change of an EndpointSlice to its being in the kernel.
    public private(set) var programmingSeconds: [IPFamily: Histogram] = [:]
    /// The last success.
    public private(set) var lastSync: Moment?
    /// The last change that came.
    public private(set) var lastQueued: Moment?
    /// Services, as they came and changed and went.
    public private(set) var serviceChanges = Changes()
    /// EndpointSlices, as they came and changed and went.
    public private(set) var endpointChanges = Changes()
    /// Services that are served.
    public var services = 0
    /// Services that stay as they are because an object of theirs is invalid.
    public var heldServices = 0
    /// Services that stay as they are because the kernel refuses an element of theirs.
    public var refusedServices = 0
    /// Whether there should be a Node object of the node's name, and is none.
    public var isNodeMissing = false
    /// Whether the node has a taint by which its operator drains it.
    public var isNodeDraining = false
    /// Ports that lack a local endpoint under a Local policy.
    public var localGaps: [LocalGap: Int] = [:]
    /// Findings that hold now.
    public var findings: [FindingKind: Int] = [:]
    /// What is wrong with the node itself now.
    public var nodeFindings: [FindingKind: Int] = [:]
    /// How full conntrack's table is; nil before the first look, and where the kernel does not tell.
    public var conntrack: ConntrackUsage?
    /// What went to the kernel.
    public var kernel = KernelMeter()
    /// Answers on `/healthz` by status.
    public var healthzAnswers: [Int: Int] = [:]
    /// Answers on `/livez` by status.
    public var livezAnswers: [Int: Int] = [:]
    /// Answers on `/healthz` of the metrics address, which are all good.
    public var pings = 0
    /// Health check ports that are open.
    public var openPorts = 0
    /// Addresses and ports that could not be opened.
    public var failedPorts = 0

    /// Nothing counted yet.
    public init(version: String) {
        self.version = version
        // kube-proxy's buckets: 1 ms, 2 ms ... 16.384 s.
        let empty = Histogram(start: 0.001, factor: 2, count: 15)
        seconds = [.full: empty, .partial: empty]
        for family in IPFamily.allCases { programmingSeconds[family] = Histogram(bounds: Self.programmingBounds) }
    }

    /// kube-proxy's buckets: 0 (for clocks that differ), 0.25 s, 0.5 s, each second up to a minute, every 5 s up to two,
    /// every 30 s up to five.
    private static let programmingBounds: [Double] =
        [0, 0.25, 0.5] + (1...59).map { Double($0) } + stride(from: 60, through: 115, by: 5)
        + stride(from: 120, through: 300, by: 30)

    /// Changes came. What a complete list removes is counted once the Services that it concerns are known: not here.
    public mutating func queued(_ changes: [ClusterChange], at now: Moment) {
        for change in changes {
            let kind: ObjectID.Kind? =
                switch change {
                case .applied(let object): object.id.kind
                case .deleted(let id): id.kind
                case .retained: nil
                }
            switch kind {
            case .service: serviceChanges.add()
            case .endpointSlice: endpointChanges.add()
            case .node, .serviceCIDR, nil: continue
            }
        }
        lastQueued = now
    }

    /// A round was successful.
    public mutating func succeeded(_ round: Round, restarts: Int, duration: Duration, at now: Moment) {
        seconds[round]?.observe(duration / .seconds(1))
        self.restarts += restarts
        lastSync = now
    }

    /// The kernel holds changes of EndpointSlices. What the clocks of this node and the control plane differ by goes in;
    /// less than nothing counts as nothing.
    public mutating func programmed(_ triggers: [EndpointTrigger], at now: Moment) {
        for trigger in triggers {
            let microseconds = max(0, now.microseconds - trigger.time / 1000)
            programmingSeconds[trigger.family]?.observe(Double(microseconds) / 1_000_000)
        }
    }

    /// Nothing waits any more.
    public mutating func settled() {
        serviceChanges.pending = 0
        endpointChanges.pending = 0
    }

    /// A look into conntrack ended.
    ///
    /// - Parameter connections: those of TCP among the deleted ones.
    public mutating func cleanedFlows(
        deleted: [IPFamily: Int], connections: [IPFamily: Int] = [:], duration: Duration
    ) {
        flowSeconds.observe(duration / .seconds(1))
        deletedFlows.merge(deleted) { $0 + $1 }
        resetConnections.merge(connections) { $0 + $1 }
    }

    /// A look at remembered clients ended.
    public mutating func forgotten(_ clients: [IPFamily: Int]) { forgottenClients.merge(clients) { $0 + $1 } }

    /// What is cleaned up after commits.
    public enum Cleanup: String, CaseIterable, Sendable {
        /// Conntrack entries of stale flows.
        case flows
        /// Clients with affinity that are remembered for endpoints which have gone.
        case clients
    }

    /// A round failed.
    public mutating func failed() { failures += 1 }
}
