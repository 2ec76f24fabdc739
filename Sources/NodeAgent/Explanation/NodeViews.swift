import KubernetesModel
import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes
import PacketPath
import Reconciliation
import ServiceDataplane
import ServicePolicy

/// What there is to ask on one node: the tables as they are wanted, and as the kernel has them if somebody looked.
package struct NodeViews {
    /// The cluster as this node sees it: what a question is put to.
    package let situation: Situation
    private var desired: DesiredState
    /// What is wrong with the node.
    package let nodeFindings: [Finding]
    private let wanted: [IPFamily: Explainer]
    private var kernel: [IPFamily: KernelView] = [:]
    private var surroundings: SurroundingNotes?

    /// - Parameters:
    ///   - desired: the objects, as this host sees them.
    ///   - view: the name of another node, which is seen by its Node object alone; nil for this host.
    ///   - isNamed: whether somebody gave this host a node's name.
    package init(desired: DesiredState, view: String?, isNamed: Bool, _ logger: Logger) throws(ExplainFailure) {
        var desired = desired
        let name = view ?? desired.settings.nodeName
        let node = desired.cluster.node(name)
        // A host that is no node of the cluster asks for one of its nodes.
        if node == nil, view != nil || (!isNamed && desired.cluster.nodeCount > 0) {
            throw .unknownNode(name, known: desired.cluster.nodes.map(\.name))
        }
        let objectAddresses = (node?.internalIPs ?? []) + (node?.externalIPs ?? [])
        var own = Set(objectAddresses)
        if view != nil {
            var settings = NodeSettings(nodeName: name, nodePortAddresses: desired.settings.nodePortAddresses)
            settings.servesExternalIPs = desired.settings.servesExternalIPs
            settings.drainTaints = desired.settings.drainTaints
            desired = desired.seen(
                by: settings, host: HostFacts(addresses: objectAddresses))
        } else {
            own.formUnion(Wiring.addresses(logger) ?? [])
        }
        let tables = desired.tables()
        nodeFindings = desired.nodeFindings
        let situation = Situation(
            cluster: desired.cluster, dataplane: desired.dataplane, node: desired.nodeContext, ownAddresses: own,
            healthChecks: desired.ledger.healthChecks, held: desired.held, drainTaint: desired.drainTaint)
        wanted = Dictionary(
            uniqueKeysWithValues: tables.map { ($0.schema.family, Explainer(situation, Ruleset($0))) })
        self.situation = situation
        self.desired = desired
    }

    /// Reads the tables that the kernel has, with the clients that it remembers.
    package mutating func readKernel(_ logger: Logger) throws(ExplainFailure) {
        guard let source = Wiring.kernel(logger) else { throw .noKernel }
        do throws(NetlinkError) {
            let desired = desired
            var schemas: [TableSchema] = []
            let observation = try source.observe(
                tableName: desired.options.tableName, guesses: desired.guesses(in: desired.cluster.byAge)
            ) {
                names in
                let sets = Array(names.values)
                schemas = IPFamily.allCases.map { desired.expectedSchema($0, existingSets: sets) }
                return schemas
            }
            for schema in schemas {
                let observed = observation.tables[schema.family] ?? ObservedTable()
                var remembered: [SetID: [ElementKey: ObservedElement]] = [:]
                for set in schema.clientMemories where observed.sets.contains(set.name) {
                    let elements = try source.elements(of: set, in: schema)
                    remembered[set.id] = Dictionary(elements.map { ($0.key, $0.value) }) { $1 }
                }
                kernel[schema.family] = KernelView(observed, schema, remembered: remembered)
            }
            surroundings = try SurroundingNotes(source)
        } catch {
            throw .kernel(error)
        }
    }

    /// What becomes of a packet: by the kernel's rules if they were read, else by those that are wanted.
    package func explain(_ packet: Packet) -> Explanation {
        let explainer =
            wanted[packet.family] ?? Explainer(situation, Ruleset(TableState(schema: desired.schema(packet.family))))
        let explanation = explainer.explain(packet)
        guard let view = kernel[packet.family] else { return explanation }
        var live = Explainer(situation, view.ruleset).explain(packet)
        live.compare(with: explanation, doubts: view.doubts(about: live.outcomes))
        surroundings?.add(to: &live)
        return live
    }
}

/// Why there is no explanation at all.
package enum ExplainFailure: Error, CustomStringConvertible {
    /// No Node has this name; those that there are.
    case unknownNode(String, known: [String])
    /// The kernel did not tell its rules.
    case kernel(NetlinkError)
    /// The kernel cannot be asked; why has been logged.
    case noKernel

    package var description: String {
        switch self {
        case .unknownNode(let name, let known):
            "there is no Node \"\(name)\"; --node takes one of "
                + NearestNames.of(name, in: known, limit: 8).joined(separator: ", ") + (known.count > 8 ? " …" : "")
        case .kernel(let error): "\(error)"
        case .noKernel: "the kernel's rules cannot be read"
        }
    }
}
