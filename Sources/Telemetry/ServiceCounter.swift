import KubernetesModel

/// The packets that one frontend of a Service has counted.
public struct ServiceCounter: Hashable, Sendable {
    /// What was counted.
    public enum Event: Hashable, Sendable {
        /// New connections: each counts one packet.
        case connection
        /// Packets that clients have sent on their connections.
        case packetsIn
        /// Packets that endpoints have answered.
        case packetsOut
        /// The bytes of `packetsIn`, from the network header on.
        case bytesIn
        /// The bytes of `packetsOut`.
        case bytesOut
        /// Packets that were rejected, because there is no usable endpoint.
        case rejected
        /// Packets that were dropped, because a Local policy finds no endpoint here.
        case dropped
        /// The same, of clients outside the cluster only.
        case droppedOutside

        /// Whether the frontend refuses what was counted.
        public var isRefusal: Bool { [.rejected, .dropped, .droppedOutside].contains(self) }
    }

    /// What was counted.
    public var event: Event
    /// The Service.
    public var service: ObjectKey
    /// The name of its port; empty for an unnamed one.
    public var port: String
    /// The frontend, such as `10.96.0.1:80/tcp`, or `nodeport:30080/tcp`.
    public var frontend: String
    /// The packets, or the bytes.
    public var packets: UInt64

    /// Makes a counter.
    public init(_ event: Event, service: ObjectKey, port: String, frontend: String, packets: UInt64) {
        self.event = event
        self.service = service
        self.port = port
        self.frontend = frontend
        self.packets = packets
    }

    /// The counters as metrics.
    ///
    /// A frontend that is refused and then served has no sample any more, and its counters restart when it has one again.
    public static func metrics(_ counters: [ServiceCounter]) -> [Metric] {
        var connections = Metric(
            "fairlead_service_connections_total", .counter, "New connections to a frontend of a Service.")
        var refused = Metric(
            "fairlead_service_refused_packets_total", .counter,
            "Packets of new connections to a frontend that were rejected or dropped for want of an endpoint.")
        var bytes = Metric(
            "fairlead_service_bytes_total", .counter, "Bytes of connections to a frontend of a Service, by direction.")
        var packets = Metric(
            "fairlead_service_packets_total", .counter,
            "Packets of connections to a frontend of a Service, by direction.")
        for counter in counters {
            let labels = [
                Metric.Label("namespace", counter.service.namespace), Metric.Label("service", counter.service.name),
                Metric.Label("port", counter.port), Metric.Label("frontend", counter.frontend),
            ]
            let value = Metric.Value.number(Double(counter.packets))
            switch counter.event {
            case .connection: connections.samples.append(Metric.Sample(labels: labels, value: value))
            case .bytesIn, .bytesOut:
                let direction = Metric.Label("direction", counter.event == .bytesIn ? "in" : "out")
                bytes.samples.append(Metric.Sample(labels: labels + [direction], value: value))
            case .packetsIn, .packetsOut:
                let direction = Metric.Label("direction", counter.event == .packetsIn ? "in" : "out")
                packets.samples.append(Metric.Sample(labels: labels + [direction], value: value))
            case .rejected, .dropped, .droppedOutside:
                let verdict = Metric.Label("verdict", counter.event == .rejected ? "rejected" : "dropped")
                refused.samples.append(Metric.Sample(labels: labels + [verdict], value: value))
            }
        }
        return [connections, refused, bytes, packets]
    }
}
