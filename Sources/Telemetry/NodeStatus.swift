import KubernetesModel

/// What `fairlead status` and the status page tell of a node: the answer of `/api/v1/status`. Times are RFC 3339 in UTC,
/// durations are seconds. Fields may be added; those that are here keep their names and meanings.
public struct NodeStatus: Codable, Hashable, Sendable {
    /// Whether the kernel has what is wanted.
    public enum State: String, Codable, Hashable, Sendable {
        /// It has not had it once since the daemon began.
        case starting
        /// It has.
        case synchronized
        /// A change waits, or is being committed.
        case pending
        /// The last attempt failed; it is tried again.
        case failing
    }

    /// An attempt that failed.
    public struct Failure: Codable, Hashable, Sendable {
        /// When.
        public var time: String
        /// What it was for.
        public var cause: String
        /// What the kernel said.
        public var reason: String
        /// Seconds until it is tried again, if nothing has succeeded since; not less than 0.
        public var retryInSeconds: Double?
    }

    /// A reason why the node is not in line, or may not stay so.
    public struct Trouble: Codable, Hashable, Sendable {
        /// Its kind: a raw value of `Troubles.Code`.
        public var code: String
        /// What is wrong, in one line.
        public var text: String
        /// Since when.
        public var since: String
        /// Seconds since then.
        public var seconds: Double
    }

    /// How the rules and the objects agree.
    public struct Sync: Codable, Hashable, Sendable {
        /// Whether they do.
        public var state: State
        /// What `/livez` says.
        public var healthy: Bool
        /// When the kernel was last known to hold what is wanted.
        public var lastSuccess: String?
        /// Seconds since then.
        public var lastSuccessSeconds: Double?
        /// Since when a change has been waiting.
        public var pendingSince: String?
        /// Changes of Services and EndpointSlices that are not in the rules yet.
        public var pendingChanges: Int
        /// The last failure, also after it was mended.
        public var lastFailure: Failure?
        /// Failures since the start.
        public var failures: Int
        /// Why the node is not in line, or may not stay so; an older daemon does not tell.
        public var troubles: [Trouble]?
    }

    /// How many there are.
    public struct Counts: Codable, Hashable, Sendable {
        /// Services that are served.
        public var services: Int
        /// Services left as they are because an object of theirs is invalid.
        public var heldServices: Int
        /// Frontends, both families together.
        public var frontends: Int
        /// Usable endpoints, each address and port once.
        public var endpoints: Int
        /// Elements by family (`ipv4`, `ipv6`) and set; without sets that packets fill.
        public var elements: [String: [String: Int]]
    }

    /// An attempt that changed the tables, or that read them whole.
    public struct Transaction: Codable, Hashable, Sendable {
        /// When it ended.
        public var time: String
        /// `start`, `change`, `source`, `addresses` or `verification`.
        public var cause: String
        /// How long it took.
        public var seconds: Double
        /// Elements added.
        public var added: Int
        /// Elements removed.
        public var removed: Int
        /// Tables, sets, chains and rule lists changed.
        public var structural: Int
        /// Transactions that the kernel carried out.
        public var transactions: Int
        /// Services that were computed again.
        public var services: Int
        /// The number of the ruleset afterwards.
        public var generation: UInt32?
    }

    /// What others did to the tables.
    public struct Protection: Codable, Hashable, Sendable {
        /// Repairs of tables that another program had changed.
        public var driftRepairs: Int
        /// Synchronizations that started again because another program committed meanwhile.
        public var restarts: Int
    }

    /// How the counters came about.
    public struct Counters: Codable, Hashable, Sendable {
        /// When the kernel was asked; clients within a second share an answer.
        public var time: String
        /// What asking cost.
        public var readSeconds: Double
        /// What rates are of: the time since the reading before; absent before the second one.
        public var intervalSeconds: Double?
        /// Why there are no counters.
        public var failure: String?
    }

    /// A frontend whose new connections are rejected or dropped for want of an endpoint.
    public struct Refused: Codable, Hashable, Sendable {
        /// The Service's namespace.
        public var namespace: String
        /// The Service's name.
        public var name: String
        /// The name of its port.
        public var port: String
        /// Such as `10.96.0.1:80/tcp`; a node port has the unspecified address.
        public var frontend: String
        /// `rejected` or `dropped`.
        public var verdict: String
        /// Whom it concerns: `all`, or `outside` for clients outside the cluster only.
        public var sources: String
        /// Packets so far.
        public var packets: UInt64
        /// Packets per second.
        public var rate: Double?
    }

    /// A part of a list, the most important first, and how long it is.
    public struct Excerpt<Item: Codable & Hashable & Sendable>: Codable, Hashable, Sendable {
        /// How many there are.
        public var total: Int
        /// The first of them.
        public var items: [Item]

        /// Keeps the first items.
        public init(_ all: [Item], limit: Int) {
            total = all.count
            items = Array(all.prefix(limit))
        }
    }

    /// A Service and its new connections.
    public struct Busy: Codable, Hashable, Sendable {
        /// The namespace.
        public var namespace: String
        /// The name.
        public var name: String
        /// Connections so far.
        public var connections: UInt64
        /// Connections per second.
        public var rate: Double?
    }

    /// A Service and the bytes and packets of its connections, as clients see them: `in` is what they send.
    public struct Traffic: Codable, Hashable, Sendable {
        /// The namespace.
        public var namespace: String
        /// The name.
        public var name: String
        /// Bytes that clients have sent, from the network header on.
        public var bytesIn: UInt64 = 0
        /// Bytes that endpoints have answered.
        public var bytesOut: UInt64 = 0
        /// Packets that clients have sent.
        public var packetsIn: UInt64 = 0
        /// Packets that endpoints have answered.
        public var packetsOut: UInt64 = 0
        /// Bytes per second, both ways.
        public var rate: Double?

        /// The bytes both ways.
        public var bytes: UInt64 { bytesIn &+ bytesOut }
    }

    /// Packets that went on to other nodes under direct return.
    public struct Forwarding: Codable, Hashable, Sendable {
        /// Packets so far; one that went to two nodes counts twice.
        public var packets: UInt64
        /// Packets per second.
        public var rate: Double?
    }

    /// Something about an object that the user should know.
    public struct Problem: Codable, Hashable, Sendable {
        /// `info`, `warning` or `error`.
        public var severity: String
        /// A stable code.
        public var code: String
        /// The object, and what is wrong, in one line.
        public var text: String

        /// Tells of a finding.
        public init(_ finding: Finding) {
            severity = "\(finding.severity)"
            code = finding.code
            text = finding.description
        }
    }

    /// The version of the program.
    public var version: String
    /// The node's name in the cluster.
    public var node: String
    /// Now.
    public var time: String
    /// Since the daemon began.
    public var uptimeSeconds: Double
    /// How the rules and the objects agree.
    public var sync: Sync
    /// How many there are.
    public var counts: Counts
    /// The last commits, the newest first.
    public var transactions: [Transaction]
    /// What others did to the tables.
    public var protection: Protection
    /// How the counters came about.
    public var counters: Counters
    /// Frontends that refuse new connections now, those with the highest rate first.
    public var refused: Excerpt<Refused>
    /// Packets that are refused, per second.
    public var refusedRate: Double?
    /// The Services with the most new connections; absent without `--service-counters`.
    public var busiest: Excerpt<Busy>?
    /// New connections per second, to all Services.
    public var connectionRate: Double?
    /// The Services with the most bytes; absent without `--service-traffic`.
    public var traffic: Excerpt<Traffic>?
    /// Bytes per second of all Services, both ways.
    public var trafficRate: Double?
    /// What was handed on under direct return; absent if no Service asks for it.
    public var handedOn: Forwarding?
    /// What is wrong with objects and with the node, the worst first; info comes last.
    public var findings: Excerpt<Problem>
    /// The health check ports of Services that this node answers on.
    public var healthCheckPorts: [UInt16]?
}
