import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import Reconciliation
import ServicePolicy

/// Explains single packets on the daemon's node, from the daemon's own state.
///
/// The rules are compiled again for each question, from the Services that the packet can have to do with only: a look at every
/// Service, and the work of a few.
struct DaemonExplainer {
    private let desired: DesiredState
    private let addresses: [IPAddress]
    private let situation: Situation

    /// - Parameter addresses: the addresses of the node's interfaces.
    init(_ desired: DesiredState, addresses: [IPAddress]) {
        self.desired = desired
        self.addresses = addresses
        let node = desired.cluster.node(desired.settings.nodeName)
        situation = Situation(
            cluster: desired.cluster, dataplane: desired.dataplane, node: desired.nodeContext,
            ownAddresses: Set((node?.internalIPs ?? []) + (node?.externalIPs ?? []) + addresses),
            healthChecks: desired.ledger.healthChecks, held: desired.held, drainTaint: desired.drainTaint)
    }

    /// What becomes of the first packet of the connection.
    func explain(_ question: Question) throws(QuestionError) -> Explanation {
        let packet = try question.packet(in: situation)
        return Explainer(situation, ruleset(for: packet)).explain(packet)
    }

    private func ruleset(for packet: Packet) -> Ruleset {
        var changes: [ClusterChange] = []
        desired.cluster.forEachService { service, slices in
            guard Self.concerns(packet, service, slices) else { return }
            changes.append(.applied(.service(service)))
            changes += slices.map { .applied(.endpointSlice($0)) }
        }
        if let node = desired.cluster.node(desired.settings.nodeName) { changes.append(.applied(.node(node))) }
        changes += desired.cluster.serviceCIDRs.map { .applied(.serviceCIDR($0)) }
        let primaries = Dictionary(desired.nodePortAddresses.map { ($0.family, $0) }) { first, _ in first }
        var few = DesiredState(
            options: desired.options, settings: desired.settings,
            host: HostFacts(addresses: addresses, primaries: primaries))
        _ = few.load(changes)
        let tables = few.tables()
        return Ruleset(
            tables.first { $0.schema.family == packet.family } ?? TableState(schema: few.schema(packet.family)))
    }

    /// Whether an element of the Service can match the packet: its frontends match the destination, its endpoints where the
    /// packet comes from or goes to.
    static func concerns(_ packet: Packet, _ service: Service, _ slices: [EndpointSlice]) -> Bool {
        service.clusterIPs.contains(packet.destination) || service.externalIPs.contains(packet.destination)
            || service.loadBalancerIngress.contains { $0.address == packet.destination }
            || service.ports.contains { $0.nodePort == packet.port && $0.nodePort > 0 }
            || slices.contains { slice in
                slice.endpoints.contains { $0.address == packet.source || $0.address == packet.destination }
            }
    }
}
