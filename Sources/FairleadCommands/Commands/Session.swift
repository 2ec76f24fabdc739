import KubernetesModel
import Logging
import NetlinkTransport
import NodeAgent
import Reconciliation

/// What the one-shot commands have in common: the objects, read once, and the desired state.
struct Session {
    var desired: DesiredState
    private(set) var findings: [Finding] = []
    private let source: SourceChoice

    init(_ settings: Settings, source: SourceChoice, view: String? = nil, kernel: NftablesKernel? = nil) throws {
        desired = try Wiring.desiredState(settings, view: view, kernel: kernel)
        self.source = source
    }

    /// Reads the objects. False if a file could not be read or parsed, or the API server did not give them; why has been
    /// logged then.
    ///
    /// - Parameter allNodes: whether an API server is asked for more Nodes than this one.
    mutating func load(_ logger: Logger, allNodes: Bool = false) async -> Bool {
        let nodeName = allNodes ? nil : desired.settings.nodeName
        guard let reading = await ObjectReading(source, nodeName: nodeName, logger) else { return false }
        take(reading.update, logger)
        // From an API server either all Nodes came, or the names of the others were asked for.
        let names = allNodes ? desired.cluster.nodes.map(\.name) : reading.otherNodes
        let lookup =
            switch source {
            case .manifests: NodeLookup(names: nil)
            case .api: NodeLookup(names: { [] }, answer: names)
            }
        var update = reading.update
        update.readiness = reading.isWhole ? .complete : .partial
        desired.nodeAbsence = lookup.absence(after: update, nodeName: desired.settings.nodeName)
        return reading.isWhole
    }

    private mutating func take(_ update: ClusterUpdate, _ logger: Logger) {
        findings = update.findings
        report(findings, logger)
        desired.held = update.heldServices
        _ = desired.load(update.changes)
    }
    /// Logs findings, each at the level of its severity.
    func report(_ findings: [Finding], _ logger: Logger) { ObjectLog.report(findings, logger) }
}
