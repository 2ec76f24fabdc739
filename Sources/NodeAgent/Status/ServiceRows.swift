import KubernetesModel
import NetworkTypes
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Telemetry

/// Makes rows of Services, for the status page.
struct ServiceRows {
    /// Which Services are wanted.
    struct Selection {
        /// Words that each have to stand in what the row shows, in any case.
        var words: [String] = []
        /// Only those that refuse connections.
        var refusingOnly = false
        /// Only those with findings.
        var findingsOnly = false
        /// What comes first.
        var order = Order.name
        /// How many to leave out.
        var offset = 0
        /// The most to return.
        var limit = 50

        /// The most that may be asked for.
        static let largestLimit = 500
    }

    /// The orders of rows. What has nothing of what is asked for comes last, by namespace and name.
    enum Order: String, CaseIterable {
        /// By namespace and name.
        case name
        /// By bytes per second, then by bytes.
        case traffic
        /// By new connections per second, then by their number.
        case connections
        /// By rejected and dropped packets per second, then by their number.
        case refused
    }

    private let view: DaemonView
    private let reading: CounterReading
    private let counts: StatusAPI.Counts
    private let refused: [ObjectKey: [NodeStatus.Refused]]
    private let busy: [ObjectKey: NodeStatus.Busy]
    private let traffic: [ObjectKey: NodeStatus.Traffic]
    /// Services by what an order goes by, the one with the most first.
    private let ranks: [Order: [ObjectKey: Int]]
    private let findings: [ObjectKey: [Finding]]

    /// The most endpoints that one Service is shown with.
    static let endpointLimit = 1000

    init(_ view: DaemonView, _ reading: CounterReading, _ counts: StatusAPI.Counts) {
        self.view = view
        self.reading = reading
        self.counts = counts
        func key(_ namespace: String, _ name: String) -> ObjectKey { ObjectKey(namespace: namespace, name: name) }
        let refusals = NodeStatus.refused(in: reading).map { (key($0.namespace, $0.name), $0) }
        let busiest = NodeStatus.busiest(in: reading).map { (key($0.namespace, $0.name), $0) }
        let traffic = NodeStatus.traffic(in: reading).map { (key($0.namespace, $0.name), $0) }
        refused = Dictionary(grouping: refusals, by: \.0).mapValues { $0.map(\.1) }
        busy = Dictionary(busiest, uniquingKeysWith: { first, _ in first })
        self.traffic = Dictionary(traffic, uniquingKeysWith: { first, _ in first })
        func ranks(_ keys: [ObjectKey]) -> [ObjectKey: Int] {
            Dictionary(keys.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        }
        self.ranks = [
            .traffic: ranks(traffic.map(\.0)), .connections: ranks(busiest.map(\.0)),
            .refused: ranks(refusals.map(\.0)),
        ]
        var findings: [ObjectKey: [Finding]] = [:]
        for finding in view.findings {
            guard let subject = finding.subject, subject.kind == .service else { continue }
            findings[subject.key, default: []].append(finding)
        }
        self.findings = findings
    }

    /// The Services that are wanted.
    func list(_ selection: Selection) -> ServiceList {
        var keys = view.keys
        if selection.refusingOnly { keys = keys.filter { refused[$0] != nil } }
        if selection.findingsOnly { keys = keys.filter { findings[$0] != nil } }
        if !selection.words.isEmpty {
            keys = keys.filter { key in
                let text = view.desired.cluster.service(key).map(Self.searchText) ?? ""
                return selection.words.allSatisfy { text.contains($0) }
            }
        }
        if let ranks = ranks[selection.order] {
            // The sort is stable: what has no rank stays in its order.
            keys.sort { (ranks[$0] ?? .max) < (ranks[$1] ?? .max) }
        }
        let rows = keys.dropFirst(selection.offset).prefix(selection.limit)
        return ServiceList(
            total: view.keys.count, matching: keys.count, offset: selection.offset, limit: selection.limit,
            services: rows.compactMap(row))
    }

    /// One Service with its endpoints; nil if there is none.
    func detail(_ key: ObjectKey) -> ServiceDetail? {
        guard let row = row(key), let service = view.desired.cluster.service(key) else { return nil }
        let node = view.desired.nodeContext
        let slices = view.desired.cluster.slices(of: key)
        var endpoints: [ServiceDetail.Endpoint] = []
        for port in service.ports {
            for family in IPFamily.allCases {
                let entries = EndpointSelection.explain(port: port, family: family, slices: slices, node: node)
                for entry in entries where entry.cluster != .otherFamily && entry.cluster != .noPort {
                    var row = ServiceDetail.Endpoint(
                        address: "\(entry.address)", port: entry.port, portName: port.name, node: entry.nodeName,
                        cluster: entry.cluster.rawValue, local: entry.local.rawValue)
                    row.weight = entry.weight
                    endpoints.append(row)
                }
            }
        }
        return ServiceDetail(
            service: row, endpoints: NodeStatus.Excerpt(endpoints, limit: Self.endpointLimit),
            findings: (findings[key] ?? []).map(NodeStatus.Problem.init))
    }

    // MARK: Rows

    private func row(_ key: ObjectKey) -> ServiceList.Row? {
        guard let service = view.desired.cluster.service(key) else { return nil }
        let resolved = view.desired.dataplane.resolved(key)
        let refusals = refused[key] ?? []
        let state: ServiceList.State =
            if view.desired.held.contains(key) {
                .held
            } else if resolved == nil {
                .unserved
            } else {
                refusals.isEmpty ? .served : .refusing
            }
        var row = ServiceList.Row(
            namespace: key.namespace, name: key.name, type: Self.type(service), state: state,
            internalTrafficPolicy: service.internalTrafficPolicy.rawValue)
        if Self.hasExternalFrontends(service) {
            row.externalTrafficPolicy = service.externalTrafficPolicy.rawValue
        }
        if case .clientIP(let seconds) = service.sessionAffinity { row.affinitySeconds = seconds }
        row.addresses = Self.addresses(service).map { "\($0)" }
        row.ports = service.ports.map { Self.port($0, resolved) }
        row.refused = refusals
        if counts.traffic {
            row.bytes = traffic[key]?.bytes ?? 0
            row.byteRate = traffic[key]?.rate
        }
        if counts.connections {
            row.connections = busy[key]?.connections ?? 0
            row.connectionRate = busy[key]?.rate
        }
        row.findings = findings[key]?.count ?? 0
        return row
    }

    private static func port(_ port: ServicePort, _ resolved: ResolvedService?) -> ServiceList.Port {
        var result = ServiceList.Port(
            name: port.name, transport: "\(port.transport)".uppercased(), port: port.port,
            nodePort: port.nodePort > 0 ? port.nodePort : nil)
        for one in resolved?.ports ?? [] where one.name == port.name && one.transport == port.transport {
            result.endpoints[one.family.fieldName] = ServiceList.Endpoints(
                cluster: Set(one.clusterPool).count, local: Set(one.localPool).count)
        }
        return result
    }

    private static func type(_ service: Service) -> String { service.isHeadless ? "Headless" : service.type.rawValue }

    private static func hasExternalFrontends(_ service: Service) -> Bool {
        service.type == .nodePort || service.type == .loadBalancer || !service.externalIPs.isEmpty
    }

    private static func addresses(_ service: Service) -> [IPAddress] {
        service.clusterIPs + service.externalIPs + service.loadBalancerIngress.map(\.address)
    }

    /// What is searched: all that a row shows of the object.
    private static func searchText(_ service: Service) -> String {
        var text = "\(service.key) \(type(service)) \(service.internalTrafficPolicy.rawValue)"
        if hasExternalFrontends(service) { text += " \(service.externalTrafficPolicy.rawValue)" }
        for address in addresses(service) { text += " \(address)" }
        for port in service.ports {
            text += " \(port.name) \(port.port)/\(port.transport)"
            if port.nodePort > 0 { text += " \(port.nodePort)" }
        }
        return text.lowercased()
    }
}
