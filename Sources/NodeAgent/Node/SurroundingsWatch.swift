import KubernetesModel
import Logging
import NetlinkTransport
import NetworkTypes
import Observability
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Telemetry

/// What of the objects matters to what is around the rules: a few endpoints of each kind.
struct ServiceSamples: Sendable {
    /// Endpoints of Services that clients outside can reach.
    var exposed: [FirewallLook.Target] = []
    /// Addresses of endpoints on this node.
    var local: [IPAddress] = []
    /// Addresses of endpoints on other nodes.
    var remote: [IPAddress] = []
    /// Whether the own Node has the taint of the condition NetworkUnavailable.
    var isNetworkUnavailable = false
    /// Addresses of endpoints on other nodes of Services with direct return.
    var elsewhere: [IPAddress] = []
    /// The cluster's own ranges.
    var podRanges: [String] = []
    /// Whether every connection gets the node's address as its source.
    var masqueradesAll = false

    /// How many of a kind stand for all of them.
    private static let perKind = 2
    private static let localLimit = 32
    private static let remoteLimit = 8

    init(_ desired: DesiredState) {
        let node = desired.settings.nodeName
        masqueradesAll = desired.options.masqueradeAll
        podRanges = desired.nodeRanges
        isNetworkUnavailable =
            desired.cluster.node(node)?.taints.contains(NodeNetwork.unavailableTaint) ?? false
        var counts: [String: Int] = [:]
        desired.cluster.forEachService { service, slices in
            let isExposed =
                !service.externalIPs.isEmpty || !service.loadBalancerIngress.isEmpty
                || service.ports.contains { $0.nodePort > 0 }
            guard isExposed || local.count < Self.localLimit || remote.count < Self.remoteLimit else { return }
            let isDirect = service.wantsDirectReturn && isExposed
            for slice in slices {
                for endpoint in slice.endpoints where endpoint.isReady {
                    let isLocal = endpoint.nodeName == node
                    if isDirect, !isLocal, elsewhere.count < Self.localLimit { elsewhere.append(endpoint.address) }
                    if isLocal, local.count < Self.localLimit { local.append(endpoint.address) }
                    if !isLocal, remote.count < Self.remoteLimit { remote.append(endpoint.address) }
                    guard isExposed else { continue }
                    for port in slice.ports {
                        guard let number = port.port else { continue }
                        let kind = "\(endpoint.address.family) \(port.transport) \(isLocal)"
                        guard counts[kind, default: 0] < Self.perKind else { continue }
                        counts[kind, default: 0] += 1
                        exposed.append(
                            .init(
                                backend: Backend(address: endpoint.address, port: number), transport: port.transport))
                    }
                }
            }
        }
    }
}

extension DesiredState {
    /// The cluster's own ranges, if options tell them.
    fileprivate var nodeRanges: [String] {
        if case .clusterCIDRs(let ranges) = options.localDetector { return ranges.map { "\($0)" } }
        return []
    }
}

extension Daemon {
    /// A few endpoints of each kind.
    func serviceSamples() -> ServiceSamples { ServiceSamples(reconciler.desired) }
}

/// Looks at what is around the rules, at a modest pace: other programs' chains, bridges of pods, and how full conntrack's table is. It only
/// reads, by connections of its own, and tells what it finds as findings of the node.
actor SurroundingsWatch {
    private let board: StatusBoard
    private let logger: Logger
    private let samples: @Sendable () async -> ServiceSamples
    private let proc: String
    private var kernel: NftablesKernel?
    private var found: [Finding] = []
    private var conntrackFindings: [Finding] = []
    private var nextLook = ContinuousClock.now
    private var known: (revision: UInt64, samples: ServiceSamples)?

    /// How often conntrack's table is looked at.
    private static let interval: Duration = .seconds(5)
    /// How often the rest is, at the most.
    private static let lookInterval: Duration = .seconds(10)
    /// Of its time, a look may take a hundredth.
    private static let costFactor = 100

    /// - Parameters:
    ///   - proc: where the kernel tells.
    ///   - samples: the endpoints.
    init(
        _ board: StatusBoard, _ logger: Logger, proc: String = "/proc",
        samples: @escaping @Sendable () async -> ServiceSamples
    ) {
        (self.board, self.logger, self.proc, self.samples) = (board, logger, proc, samples)
    }

    /// Looks until cancelled.
    func run() async {
        while !Task.isCancelled {
            lookAtConntrack()
            // Before the rules are in force nothing is served that could be dropped.
            if ContinuousClock.now >= nextLook, board.current.health.lastUpdated != nil { await look() }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Going through all Services is worth it only if something has changed.
    private func currentSamples() async -> ServiceSamples {
        let revision = board.current.revision
        if let known, known.revision == revision { return known.samples }
        let fresh = await samples()
        known = (revision, fresh)
        return fresh
    }

    private func look() async {
        let start = ContinuousClock.now
        let samples = await currentSamples()
        var findings: [Finding] = []
        do throws(NetlinkError) {
            if let bridges = try? BridgeLook(parameters: "\(proc)/sys") {
                findings += bridges.findings(endpoints: samples.local, masqueradesAll: samples.masqueradesAll)
            }
            if !samples.elsewhere.isEmpty, let look = try? DirectReturnLook(parameters: "\(proc)/sys") {
                findings += look.findings(endpoints: samples.elsewhere)
            }
            let ports = board.healthCheckPorts
            if !samples.exposed.isEmpty || !ports.isEmpty {
                let kernel: NftablesKernel
                if let open = self.kernel { kernel = open } else { kernel = try Wiring.openKernel() }
                self.kernel = kernel
                findings +=
                    FirewallReport(
                        try FirewallLook(kernel, asWithoutKubeProxy: true), targets: samples.exposed, ports: ports,
                        podRanges: samples.podRanges
                    ).findings
            }
        } catch {
            // Nothing new is known; what was found before holds until it is.
            logger.debug("other programs' chains: \(error)")
            kernel = nil
            nextLook = .now + Self.lookInterval
            return
        }
        nextLook = .now + max(Self.lookInterval, (ContinuousClock.now - start) * Self.costFactor)
        tell(findings, conntrackFindings)
    }

    // MARK: Conntrack

    /// Looks at conntrack's table once.
    func lookAtConntrack() {
        let usage = ConntrackUsage(
            count: ProcFiles.lines("\(proc)/sys/net/netfilter/nf_conntrack_count").first,
            limit: ProcFiles.lines("\(proc)/sys/net/netfilter/nf_conntrack_max").first,
            statistics: ProcFiles.allLines("\(proc)/net/stat/nf_conntrack"))
        board.update { $0.metrics.conntrack = usage }
        guard let usage else { return tell(found, []) }
        let wasAlarming = !conntrackFindings.isEmpty
        guard usage.isAlarming(before: wasAlarming) else {
            if wasAlarming {
                logger.notice(
                    "conntrack's table has room again",
                    metadata: ["entries": "\(usage.entries)", "limit": "\(usage.limit)"])
            }
            return tell(found, [])
        }
        let finding = Finding(
            .warning, code: "conntrack-table-full", subject: nil,
            message:
                "conntrack's table is \(usage.percent) % full (\(usage.entries) of \(usage.limit) entries; \(usage.drops) packets "
                + "dropped so far): when it is full, new connections of the whole node are dropped, established ones live; raise "
                + "net.netfilter.nf_conntrack_max (--conntrack-max-per-core, --conntrack-min)")
        // The numbers change all the time; one line says it.
        if !wasAlarming { logger.warning("\(finding.message)") }
        tell(found, [finding])
    }

    /// Leaves the findings on the board; those that are new are logged, and so is their end.
    private func tell(_ findings: [Finding], _ conntrack: [Finding]) {
        let before = Set(found)
        ObjectLog.report(findings.filter { !before.contains($0) }, logger)
        let now = Set(findings)
        for gone in found where !now.contains(gone) && gone.severity > .info {
            logger.notice("no longer so: \(gone.message.prefix { $0 != ";" })")
        }
        (found, conntrackFindings) = (findings, conntrack)
        let all = conntrack + findings
        var counts: [ProxyMetrics.FindingKind: Int] = [:]
        for finding in all { counts[ProxyMetrics.FindingKind(finding), default: 0] += 1 }
        let told = counts
        board.update {
            $0.nodeFindings = all
            $0.metrics.nodeFindings = told
        }
    }
}
