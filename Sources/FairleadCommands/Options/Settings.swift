import ArgumentParser
import KubernetesConfiguration
import KubernetesModel
import Logging
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane

/// What a command has to do: its options, and the configuration file where they are silent.
struct Settings {
    /// What is in force, under kube-proxy's names.
    let configuration: KubeProxyConfiguration
    /// Where it comes from.
    let draft: ConfigurationDraft
    /// The file, and what it says by itself.
    let file: (path: String, configuration: KubeProxyConfiguration)?
    let logger: Logger
    private let nodeOptions: NodeOptions
    private let sourceOptions: SourceOptions
    private let ownArguments: [String]

    /// Joins options and file, and logs what is not as it should be.
    ///
    /// - Parameters:
    ///   - others: options that not every command has.
    ///   - failure: what to end with if the file cannot be used.
    init(
        file: FileOptions, source: SourceOptions, node: NodeOptions, log: LogOptions,
        others: [any KubeProxyOptions] = [], failure: ExitCode = .failure, showsTime: Bool = false
    ) throws {
        var draft = try Self.read(file, log.logger(showsTime: showsTime), failure)
        self.file = file.config.map { [draft] path in (path, draft.configuration) }
        let given = ([source, node] + others).flatMap(\.given)
        do throws(ConfigurationError) { try draft.apply(given) } catch { throw ValidationError("\(error)") }
        self.draft = draft
        configuration = draft.configuration
        logger = log.logger(draft.configuration.logging, showsTime: showsTime)
        nodeOptions = node
        sourceOptions = source
        ownArguments = ([node] + others).flatMap(\.ownArguments)
        try report(failure)
    }

    private static func read(
        _ file: FileOptions, _ logger: Logger, _ failure: ExitCode
    ) throws -> ConfigurationDraft {
        guard let path = file.config else { return ConfigurationDraft() }
        do throws(ConfigurationError) { return try ConfigurationDraft(file: path) } catch {
            logger.error("\(error)")
            throw failure
        }
    }

    /// A mistake on the command line is wrong usage, one in the file a failure.
    private func report(_ failure: ExitCode) throws {
        for warning in draft.warnings { logger.warning("\(warning)") }
        let problems = draft.problems
        if let mistake = problems.first(where: { $0.place.hasPrefix("--") }) { throw ValidationError("\(mistake)") }
        for problem in problems { logger.error("\(problem)") }
        if !problems.isEmpty { throw failure }
        for remark in draft.ineffective { logger.notice("\(remark)") }
    }
}

/// What the configuration means for the parts of the program.
extension Settings {
    /// What shapes the rules.
    var dataplane: DataplaneOptions {
        var options = DataplaneOptions()
        options.localDetector = configuration.localDetector
        options.preservesLocalSource = nodeOptions.preserveLocalSource
        options.servesLocalhostNodePorts = servesLocalhostNodePorts
        options.countsConnections = nodeOptions.serviceCounters
        options.masqueradeAll = configuration.masqueradeAll
        options.strictLocal = nodeOptions.strictLocal
        options.dropsInvalid = !configuration.conntrack.tcpBeLiberal
        return options
    }

    /// Whether node ports are on 127.0.0.1 too.
    var servesLocalhostNodePorts: Bool {
        nodeOptions.localhostNodeports
            || configuration.mode != "nftables" && configuration.iptables.localhostNodePorts == true
    }

    /// What the operator decides about the node.
    func node() throws -> NodeSettings {
        let name = configuration.hostnameOverride.trimmingBlanks.lowercased()
        guard let name = name.isEmpty ? HostAddresses.nodeName() : name else {
            throw ValidationError("--node-name is needed: the system does not tell the host's name")
        }
        if !NameRule.subdomain.accepts(name) {
            throw ValidationError("--node-name is needed: the host's name \(name.quoted) cannot be a Node's")
        }
        var settings = NodeSettings(nodeName: name, nodePortAddresses: nodePortAddresses)
        settings.primaryAddress = IPAddress(configuration.bindAddress).flatMap { $0.isUnspecified ? nil : $0 }
        return settings
    }

    private var nodePortAddresses: NodePortAddresses {
        switch configuration.nodePortAddresses {
        case ["primary"], []: .primary
        case ["all"]: .all
        default: .within(CIDR.list(configuration.nodePortAddresses))
        }
    }

    /// The least time between two commits while changes keep coming; a change that comes alone goes out at once.
    ///
    /// kube-proxy's default of a second spares it work that a commit of Fairlead does not cost: only a period that was asked
    /// for counts.
    var minSyncPeriod: Duration {
        let sections = ["iptables", "ipvs", "nftables"]
        return sections.contains { draft.says("\($0).minSyncPeriod") } ? configuration.minSyncPeriod.duration : .zero
    }

    /// Says what no option can have.
    func warn() {
        for block in nodePortAddresses.blocksWithLoopback where !(servesLocalhostNodePorts && block.family == .ipv4) {
            logger.warning("--nodeport-addresses: \(block) holds loopback addresses, where no node port is served")
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

    /// Where the objects come from. What is wrong with it has been logged.
    ///
    /// - Parameter failure: what to end with if a file cannot be used.
    func source(failure: ExitCode = .failure) throws -> SourceChoice {
        let choice: SourceChoice
        do {
            choice = try sourceOptions.choose(configuration.clientConnection)
        } catch let error as ConfigurationError {
            if error.place.hasPrefix("--") { throw ValidationError("\(error)") }
            logger.error("\(error)")
            throw failure
        }
        switch choice {
        case .manifests:
            if !configuration.clientConnection.kubeconfig.isEmpty {
                logger.notice("\(draft.message("clientConnection.kubeconfig", "is not read: there is --manifests"))")
            }
        case .api(let connection):
            for remark in connection.remarks { logger.warning("\(remark)") }
        }
        return choice
    }

    /// The configuration in force, as a file that `--config` reads; what it has no keys for stands in a comment.
    var text: String {
        var own = ownArguments
        if configuration.healthzAddress.isEmpty { own.append("--healthz-bind-address=") }
        if configuration.metricsAddress.isEmpty { own.append("--metrics-bind-address=") }
        var text = "# The configuration of fairlead \(Fairlead.version).\n"
        if !own.isEmpty { text += "# What it has no keys for: \(own.joined(separator: " "))\n" }
        return text + configuration.yaml
    }
}
