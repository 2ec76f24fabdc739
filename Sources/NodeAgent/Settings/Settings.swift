import KubernetesConfiguration
import KubernetesModel
import Logging
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane

/// What options come to, and the configuration file where they are silent: values, whoever has read them from where.
package struct Settings {
    /// What kube-proxy has no option for.
    package struct Own: Sendable {
        /// `externalTrafficPolicy: Local` holds for pods and the node, too (`--strict-local`).
        package var strictLocal = false
        /// Connections from outside to an endpoint of this node keep their source (`--preserve-local-source`).
        package var preservesLocalSource = false
        /// Node ports are on 127.0.0.1, too (`--localhost-nodeports`).
        package var servesLocalhostNodePorts = false
        /// New connections are counted per frontend (`--service-counters`).
        package var countsConnections = false
        /// Bytes and packets are counted per frontend (`--service-traffic`).
        package var countsTraffic = false
        /// `spec.externalIPs` of Services are not served (`--no-external-ips`).
        package var leavesExternalIPs = false
        /// Established TCP connections to endpoints that are gone are reset (`--reset-gone-endpoints`).
        package var resetsGoneEndpoints = false
        /// The taints by which the node is taken out of load balancers (`--drain-taints`).
        package var drainTaints = DrainTaints()
        /// These and others that were given, as they stand on a command line.
        package var arguments: [String] = []

        /// None.
        package init() {}
    }

    /// What is in force, under kube-proxy's names.
    package let configuration: KubeProxyConfiguration
    /// Where it comes from.
    package let draft: ConfigurationDraft
    /// The file, and what it says by itself.
    package let file: (path: String, configuration: KubeProxyConfiguration)?
    /// Where what is not as it should be is told.
    package let logger: Logger
    private let own: Own
    /// What kube-proxy has no flag for, as it stands on a command line.
    var ownArguments: [String] { own.arguments }

    /// - Parameters:
    ///   - draft: the configuration in force.
    ///   - file: the file, and what it says by itself.
    ///   - own: what kube-proxy has no option for.
    ///   - logger: for everything that works by these settings.
    package init(
        _ draft: ConfigurationDraft, file: (path: String, configuration: KubeProxyConfiguration)?, own: Own,
        logger: Logger
    ) {
        configuration = draft.configuration
        self.draft = draft
        self.file = file
        self.own = own
        self.logger = logger
    }
}

/// Options ask for what cannot be; only their owner can mend that.
package struct UsageError: Error, CustomStringConvertible {
    /// What is wrong, beginning with the option's name.
    package let description: String
}

/// What they mean for the parts of the program.
extension Settings {
    /// What shapes the rules.
    package var dataplane: DataplaneOptions {
        var options = DataplaneOptions()
        options.localDetector = configuration.localDetector
        options.preservesLocalSource = own.preservesLocalSource
        options.servesLocalhostNodePorts = servesLocalhostNodePorts
        options.countsConnections = own.countsConnections
        options.countsTraffic = own.countsTraffic
        options.masqueradeAll = configuration.masqueradeAll
        options.strictLocal = own.strictLocal
        options.dropsInvalid = !configuration.conntrack.tcpBeLiberal
        return options
    }

    /// Whether node ports are on 127.0.0.1 too.
    package var servesLocalhostNodePorts: Bool {
        own.servesLocalhostNodePorts
            || configuration.mode != "nftables" && configuration.iptables.localhostNodePorts == true
            || configuration.allowsLocalhostNodePorts
                && nodePortAddresses.blocksWithLoopback.contains { $0.contains(Self.localhost) }
    }

    private static let localhost = IPAddress.v4(IPv4Address(rawValue: 127 << 24 | 1))

    /// What the operator decides about the node.
    ///
    /// - Parameter other: the node whose view is asked for, if it is not this host's. It stands in where no option names this host and the
    ///   host's own name cannot be a Node's (`my_host`): the answer does not depend on it.
    package func node(orViewOf other: String? = nil) throws(UsageError) -> NodeSettings {
        let given = configuration.hostnameOverride.trimmingBlanks.lowercased()
        let host = given.isEmpty ? HostAddresses.nodeName() : given
        let standIn = given.isEmpty && host.map(NameRule.subdomain.accepts) != true ? other : nil
        guard let name = standIn ?? host else {
            throw UsageError(
                description: "--node-name is needed: the system does not tell the host's name")
        }
        if standIn == nil, !NameRule.subdomain.accepts(name) {
            throw UsageError(
                description: "--node-name is needed: the host's name \(name.quoted) cannot be a Node's")
        }
        var settings = NodeSettings(nodeName: name, nodePortAddresses: nodePortAddresses)
        settings.servesExternalIPs = !own.leavesExternalIPs && configuration.allowsExternalIPs
        settings.resetsGoneEndpoints = own.resetsGoneEndpoints
        settings.drainTaints = own.drainTaints
        settings.primaryAddress = IPAddress(configuration.bindAddress).flatMap { $0.isUnspecified ? nil : $0 }
        return settings
    }

    private var nodePortAddresses: NodePortAddresses {
        let words = configuration.nodePortAddresses.flatMap { $0.split(separator: ",") }.map {
            String($0).trimmingBlanks
        }
        return words.isEmpty ? .primary : NodePortAddresses(words: words)
    }

    /// The least time between two commits while changes keep coming; a change that comes alone goes out at once.
    ///
    /// kube-proxy's default of a second spares it work that a commit of Fairlead does not cost: only a period that was asked
    /// for counts.
    package var minSyncPeriod: Duration {
        let sections = ["iptables", "ipvs", "nftables"]
        return sections.contains { draft.says("\($0).minSyncPeriod") } ? configuration.minSyncPeriod.duration : .zero
    }

    /// Says what no option can have.
    package func warn() {
        for block in nodePortAddresses.blocksWithLoopback where !(servesLocalhostNodePorts && block.family == .ipv4) {
            let remedy = block.family == .ipv4 ? "; --localhost-nodeports serves 127.0.0.1" : ""
            logger.warning(
                "--nodeport-addresses: \(block) holds loopback addresses, where no node port is served\(remedy)")
        }
        let open = nodePortAddresses.familiesWithoutBlock
        let own = open.isEmpty ? [] : (try? HostAddresses.all()) ?? []
        for family in open where own.contains(where: { $0.family == family && NodePortAddresses.isOrdinary($0) }) {
            logger.warning(
                """
                --nodeport-addresses: no range of \(family): node ports are served on all its addresses \
                (\(OptionStatement.familyWithoutRange)); with \(family == .ipv4 ? "127.0.0.0/8" : "::1/128") on none
                """)
        }
    }

    /// The configuration in force, as a file that `--config` reads; what it has no keys for stands in a comment.
    package var text: String {
        var own = own.arguments
        if configuration.healthzAddress.isEmpty { own.append("--healthz-bind-address=") }
        if configuration.metricsAddress.isEmpty { own.append("--metrics-bind-address=") }
        var text = "# The configuration of fairlead \(Release.version).\n"
        if !own.isEmpty { text += "# What it has no keys for: \(own.joined(separator: " "))\n" }
        return text + configuration.yaml
    }
}
