import KubernetesModel
import Logging
import NetlinkTransport
import NetworkTypes
import Observability
import Telemetry

/// Looks whether the node has routes to pods, for `/readyz`. It only asks the kernel, by a socket of its own.
///
/// The taint of the condition NetworkUnavailable alone would not do: many network plugins never set it. Ranges of pods would not do
/// either: many give addresses that are in no podCIDR. Routes to endpoints are what connections need, whatever made them.
actor NetworkWatch {
    private let board: StatusBoard
    private let logger: Logger
    private let samples: @Sendable () async -> ServiceSamples
    private var lookup: RouteLookup?
    private var known: (revision: UInt64, samples: ServiceSamples)?
    private var nextSamples = ContinuousClock.now
    private var wasCutOff = false

    /// How often it looks.
    private static let interval: Duration = .seconds(2)
    /// How often it goes through all Services at the most, and how many times as long as that takes it waits then.
    private static let sampleInterval: Duration = .seconds(10)
    private static let costFactor = 100

    init(_ board: StatusBoard, _ logger: Logger, samples: @escaping @Sendable () async -> ServiceSamples) {
        (self.board, self.logger, self.samples) = (board, logger, samples)
    }

    /// Looks until cancelled.
    func run() async {
        while !Task.isCancelled {
            if board.current.health.lastUpdated != nil { await look() }
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Going through all Services is worth it only if something has changed.
    private func currentSamples() async -> ServiceSamples {
        let revision = board.current.revision
        let start = ContinuousClock.now
        if let known, known.revision == revision || start < nextSamples { return known.samples }
        let fresh = await samples()
        // At first there may be none to see yet.
        if !fresh.local.isEmpty || !fresh.remote.isEmpty {
            nextSamples = .now + max(Self.sampleInterval, (ContinuousClock.now - start) * Self.costFactor)
        }
        known = (revision, fresh)
        return fresh
    }

    private func look() async {
        let samples = await currentSamples()
        do throws(NetlinkError) {
            let network = try network(samples)
            if network.here.isCutOff != wasCutOff {
                wasCutOff = network.here.isCutOff
                if wasCutOff {
                    logger.warning("no route to any endpoint on this node: \(network.here.example)")
                } else {
                    logger.notice("there are routes to endpoints on this node")
                }
            }
            board.update { $0.network = network }
        } catch {
            // What was seen before holds until something else is.
            logger.debug("routes to pods: \(error)")
            lookup = nil
        }
    }

    private func network(_ samples: ServiceSamples) throws(NetlinkError) -> NodeNetwork {
        let lookup: RouteLookup
        if let open = self.lookup { lookup = open } else { lookup = try RouteLookup() }
        self.lookup = lookup
        var network = NodeNetwork()
        network.isUnavailable = samples.isNetworkUnavailable
        for address in samples.local {
            let kind = try lookup.route(to: address)
            // A pod on the host network says nothing of a network for pods.
            if kind != .own { network.here.note(address, kind, isReached: kind == .specific) }
        }
        for address in samples.remote {
            let kind = try lookup.route(to: address)
            network.elsewhere.note(address, kind, isReached: kind != .none)
        }
        return network
    }
}

extension NodeNetwork.Pods {
    fileprivate mutating func note(_ address: IPAddress, _ kind: RouteKind, isReached: Bool) {
        count += 1
        if isReached { return reachable += 1 }
        if example.isEmpty { example = "\(address) has \(kind == .none ? "none" : "only the default route")" }
    }
}
