import KubernetesModel
import Netfilter
import Observability
import ServiceDataplane
import Telemetry

/// The status of the node.
extension StatusAPI {
    /// All that is known now.
    func status() async -> NodeStatus {
        let reading = await counters.reading()
        let view = await views.current()
        let board = board.current
        let findings = (board.nodeFindings + (view?.findings ?? [])).enumerated().sorted {
            ($1.element.severity, $0.offset) < ($0.element.severity, $1.offset)
        }
        var status = NodeStatus(
            health: board.health, journal: board.journal, metrics: board.metrics, troubles: board.troubles,
            reading: reading, findings: findings.map(\.element), node: nodeName, countsConnections: counts.connections,
            countsTraffic: counts.traffic,
            frontendSets: Self.frontendSets, endpointSet: SetID.backends.name, at: .now)
        status.healthCheckPorts = self.board.healthCheckPorts.keys.sorted()
        return status
    }

    /// Each frontend is in one of the pools for any source, or in one of the sets that refuse it; those that are left to routes
    /// are in none.
    static let frontendSets: Set<String> = {
        let pools = [PoolKind.services, .nodePorts].flatMap(\.memberSetNames)
        let refusals: [SetID] = [
            .rejectServices, .rejectNodePorts, .dropServices, .dropEmptyServices, .dropEmptyNodePorts,
        ]
        return Set(pools + refusals.map(\.name))
    }()
}
