import KubernetesModel
import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes
import Observability
import ServiceDataplane
import Telemetry

/// Reads the counters that the tables keep of Services, for scrapes: by a connection to the kernel of its own, so that a
/// scrape never waits for a commit, nor a commit for a scrape.
actor ServiceCounters {
    private let options: DataplaneOptions
    let logger: Logger
    /// Takes each reading.
    private let note: @Sendable (CounterReading) -> Void
    private var kernel: NftablesKernel?
    private var ledger = CounterLedger()
    private var handedOn = HandedOnLedger()
    private var last: CounterReading?

    /// Scrapes and looks at the status within that time share one reading; not one that found nothing, which is quick to
    /// repeat: the first commit may have come since.
    private static let freshness: Duration = .seconds(1)
    /// The most counters of one family that a scrape reports.
    private static let limit = 20_000

    /// - Parameter note: takes each reading of the kernel, with its rates.
    init(options: DataplaneOptions, logger: Logger, note: @escaping @Sendable (CounterReading) -> Void = { _ in }) {
        self.options = options
        self.logger = logger
        self.note = note
    }

    /// Reads the counters in each step of the history, whether anybody asks or not, until cancelled.
    func keepHistory() async {
        while !Task.isCancelled {
            _ = reading()
            try? await Task.sleep(for: History.step)
        }
    }

    /// The counters now, or a moment ago, with their rates since the reading before. None if the kernel refuses.
    func reading() -> CounterReading {
        let start = Moment.now
        if let last, !last.counters.isEmpty, start.uptime - last.time.uptime < Self.freshness { return last }
        var reading: CounterReading
        do throws(NetlinkError) {
            let kernel = try openKernel()
            let counters = try services(kernel)
            let handedOn = try handedOn(kernel)
            reading = CounterReading(
                time: start, cost: Moment.now.uptime - start.uptime, counters: counters, handedOn: handedOn)
        } catch {
            logger.debug("counters: \(error)")
            kernel = nil
            reading = CounterReading(
                time: start, cost: Moment.now.uptime - start.uptime, counters: [], failure: "\(error)")
        }
        if let last { reading.compare(with: last) }
        last = reading
        note(reading)
        return reading
    }

    /// The rules of direct return count what they hand on. Without such rules there is nothing to read in their chains.
    private func handedOn(_ kernel: NftablesKernel) throws(NetlinkError) -> [HandedOn] {
        var readings: [HandedOnLedger.Reading] = []
        for family in IPFamily.allCases {
            for count in try kernel.duplications(in: HandOnReason.chains, table: options.tableName, family) {
                guard let reason = HandOnReason(map: count.map) else { continue }
                readings.append(
                    .init(HandedOn(family, reason: reason.rawValue, packets: count.packets), chain: count.chain))
            }
        }
        return handedOn.take(readings)
    }

    private func openKernel() throws(NetlinkError) -> NftablesKernel {
        if let kernel { return kernel }
        let opened = try Wiring.openKernel()
        kernel = opened
        return opened
    }

    private func services(_ kernel: NftablesKernel) throws(NetlinkError) -> [ServiceCounter] {
        var readings: [CounterLedger.Reading] = []
        for family in IPFamily.allCases {
            let schema = TableSchema(
                family: family, options: options, largestExponent: PoolSize.largestExponent)
            // One for what is counted once for each frontend, one for each direction.
            var left = [Self.limit, Self.limit, Self.limit]
            for set in schema.sets where set.countsPackets {
                let direction = Self.traffic(of: set)
                let kind = direction == nil ? 0 : direction?.packets == .packetsIn ? 1 : 2
                guard left[kind] > 0 else { continue }
                let elements = try kernel.counters(of: set, table: schema.name, family, limit: left[kind])
                left[kind] -= elements.count
                for element in elements {
                    guard var counter = Self.counter(element, set, family) else { continue }
                    readings.append(.init(counter, set: set.id.rawValue, packets: element.packets))
                    guard let direction else { continue }
                    counter.event = direction.bytes
                    readings.append(.init(counter, set: set.id.rawValue, packets: element.bytes))
                }
            }
        }
        return ledger.take(readings)
    }

    /// The comment of an element names the Service and its port: `namespace/name:port`, `namespace/name`.
    private static func counter(
        _ counted: CountedElement, _ set: SetDeclaration, _ family: IPFamily
    ) -> ServiceCounter? {
        guard let event = event(of: set), let comment = counted.element.comment.flatMap(FrontendComment.init) else {
            return nil
        }
        return ServiceCounter(
            event, service: comment.service, port: comment.port,
            frontend: frontend(counted.element, set, family), packets: counted.packets)
    }

    /// Like `10.96.0.1:80/tcp`; a node port has the unspecified address, so that the families' differ.
    private static func frontend(_ element: Element, _ set: SetDeclaration, _ family: IPFamily) -> String {
        let fields = ElementText.key(element, declaration: set, family).split(separator: " . ").map { String($0) }
        guard fields.count >= 2 else { return fields.joined() }
        let address = fields.count > 2 ? fields[0] : family == .ipv4 ? "0.0.0.0" : "::"
        let (transport, port) = (fields[fields.count - 2], fields[fields.count - 1])
        return "\(family == .ipv4 ? address : "[\(address)]"):\(port)/\(transport)"
    }

    /// What a set counts of the traffic of Services; nil if it counts something else.
    private static func traffic(
        of set: SetDeclaration
    ) -> (packets: ServiceCounter.Event, bytes: ServiceCounter.Event)? {
        switch set.id {
        case .trafficIn, .nodePortTrafficIn: (.packetsIn, .bytesIn)
        case .trafficOut, .nodePortTrafficOut: (.packetsOut, .bytesOut)
        default: nil
        }
    }

    private static func event(of set: SetDeclaration) -> ServiceCounter.Event? {
        if let traffic = traffic(of: set) { return traffic.packets }
        return switch set.id {
        case .rejectServices, .rejectNodePorts: .rejected
        case .dropServices, .dropEmptyServices, .dropEmptyNodePorts: .dropped
        case .dropOutsideServices, .dropOutsideNodePorts: .droppedOutside
        // Members of pools count new connections (`--service-counters`).
        default: .connection
        }
    }
}
