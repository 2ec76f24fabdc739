import KubernetesModel

/// What a look at the node's network found: whether there are routes to pods.
public struct NodeNetwork: Hashable, Sendable {
    /// Endpoints that were looked at.
    public struct Pods: Hashable, Sendable {
        /// How many.
        public var count = 0
        /// How many of them have a route.
        public var reachable = 0
        /// One that has none, in words.
        public var example = ""

        /// None.
        public init() {}

        /// Whether there are some, and none has a route.
        public var isCutOff: Bool { count > 0 && reachable == 0 }
    }

    /// Ready endpoints on this node; a default route is none for them.
    public var here = Pods()
    /// Ready endpoints on other nodes; where the network outside routes pods, the default route is one for them.
    public var elsewhere = Pods()
    /// Whether the Node has the taint `node.kubernetes.io/network-unavailable`: its condition NetworkUnavailable is true.
    public var isUnavailable = false

    /// Nothing seen.
    public init() {}

    /// The taint that follows the condition NetworkUnavailable.
    public static let unavailableTaint = "node.kubernetes.io/network-unavailable"
}

/// Whether the node should be announced: to BGP neighbours, by ARP, or to a load balancer.
///
/// What `/healthz` says, and more: there the question is whether the proxy does its work, here whether a connection that comes to
/// this node has a way to a pod.
public struct Readiness: Hashable, Sendable {
    /// One of the things that have to be so.
    public struct Check: Hashable, Sendable {
        /// Its name: `node`, `dataplane`, `objects` or `network`.
        public var name: String
        /// Whether it is so.
        public var holds: Bool
        /// What was seen, one line without a period.
        public var text: String
    }

    /// All of them, always in the same order.
    public let checks: [Check]

    /// Whether all hold.
    public var isReady: Bool { checks.allSatisfy(\.holds) }

    /// Judges.
    ///
    /// - Parameters:
    ///   - health: whether the proxy does its work, and what the Node object says.
    ///   - troubles: whether objects can be followed.
    ///   - network: what was seen of the network; nil before the first look.
    ///   - patience: how long objects may not be followed; nil if it does not matter how long.
    public init(
        _ health: HealthState, _ troubles: Troubles, network: NodeNetwork?, patience: Duration?, at now: Moment
    ) {
        checks = [
            Self.node(health.eligibility), Self.dataplane(health, at: now),
            Self.objects(troubles, patience, isStarted: health.lastUpdated != nil, at: now), Self.network(network),
        ]
    }

    private static func node(_ eligibility: NodeEligibility) -> Check {
        let problem: String? =
            switch eligibility {
            case .eligible: nil
            case .beingDeleted: "the Node is being deleted"
            case .tainted: "the Node has the taint \(NodeEligibility.deletionTaint)"
            case .draining(let key): "the Node has the taint \(key) (--drain-taints)"
            case .absent: "there is no Node object of this node's name"
            }
        return Check(name: "node", holds: problem == nil, text: problem ?? "nothing speaks against it")
    }

    private static func dataplane(_ health: HealthState, at now: Moment) -> Check {
        guard let last = health.lastUpdated else {
            return Check(name: "dataplane", holds: false, text: "no rules yet")
        }
        let holds = health.isHealthy(at: now)
        guard let pending = health.oldestPending else {
            return Check(name: "dataplane", holds: holds, text: "in line since \(last.timestamp)")
        }
        return Check(
            name: "dataplane", holds: holds, text: "a change has been waiting since \(pending.timestamp)")
    }

    private static func objects(
        _ troubles: Troubles, _ patience: Duration?, isStarted: Bool, at now: Moment
    ) -> Check {
        let silent = troubles.all.filter { $0.place.code == .source }.min {
            $0.trouble.since.uptime < $1.trouble.since.uptime
        }
        guard isStarted else { return Check(name: "objects", holds: false, text: "the first lists are not complete") }
        guard let silent else { return Check(name: "objects", holds: true, text: "followed") }
        let isLate = patience.map { now.uptime - silent.trouble.since.uptime >= $0 } ?? false
        return Check(
            name: "objects", holds: !isLate,
            // Whoever reaches the health address need not know more: the log and the status page have the reason.
            text: "\(silent.place.subject) cannot be followed since \(silent.trouble.since.timestamp)")
    }

    private static func network(_ network: NodeNetwork?) -> Check {
        guard let network else { return Check(name: "network", holds: false, text: "not looked at yet") }
        let problem: String? =
            if network.isUnavailable {
                "the Node has the taint \(NodeNetwork.unavailableTaint)"
            } else if network.here.isCutOff {
                "no route to any of \(network.here.count) endpoints on this node: \(network.here.example)"
            } else if network.elsewhere.isCutOff {
                "no route to any of \(network.elsewhere.count) endpoints on other nodes: \(network.elsewhere.example)"
            } else {
                nil
            }
        return Check(
            name: "network", holds: problem == nil,
            text: problem
                ?? "routes to \(network.here.reachable) of \(network.here.count) endpoints on this node, to "
                + "\(network.elsewhere.reachable) of \(network.elsewhere.count) on others")
    }

    /// `/readyz`: a line for each check, in the form that components of Kubernetes have.
    public var answer: HTTPAnswer {
        let lines = checks.map {
            "[\($0.holds ? "+" : "-")]\($0.name) \($0.holds ? "ok" : "failed"): \($0.text.printable)"
        }
        let end = isReady ? "readyz check passed" : "readyz check failed"
        return .text((lines + [end]).joined(separator: "\n") + "\n", status: isReady ? 200 : 503)
    }
}
