import ArgumentParser
import Logging
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane

/// Where log lines go and what they look like.
struct LogOptions: ParsableArguments {
    @Option(
        help: "Least level of log lines on stderr: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
    var logLevel = Logger.Level.notice

    @Option(help: "Form of log lines: text or json.")
    var logFormat = LogFormat.text

    func logger(showsTime: Bool = false) -> Logger {
        let output = LogOutput(logLevel: logLevel, format: logFormat, showsTime: showsTime)
        return Logger(label: "fairlead") { _ in output }
    }
}

/// Where the objects come from.
struct SourceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "File or directory of manifests (YAML or JSON); may be given several times.",
            discussion: "Of a directory, the files that end in .yaml, .yml or .json are read, subdirectories are not."))
    var manifests: [String]

    func validate() throws {
        if manifests.isEmpty { throw ValidationError("--manifests is needed: there is no other source of objects yet") }
    }
}

/// What describes the node and shapes its rules; kube-proxy's names where it has one.
struct NodeOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("hostname-override")],
        help: "Name of this node in the cluster. Default: the host's name in lower case.")
    var nodeName: String?

    @Option(
        help: ArgumentHelp(
            "Addresses of the node that accept node ports: primary, all, or ranges separated by commas.",
            discussion: """
                primary: the first address of each family in the Node object; without one, the address of the default \
                route. A family without a range accepts them on all its addresses, as with kube-proxy. Loopback \
                addresses never accept node ports.
                """))
    var nodeportAddresses: [String] = ["primary"]

    @OptionGroup var detection: DetectionOptions

    @Flag(help: "Masquerade all traffic to ClusterIPs.")
    var masqueradeAll = false

    @Flag(
        help: ArgumentHelp(
            "Hold externalTrafficPolicy Local also for pods and the node itself.",
            discussion: """
                By default their connections to node ports, external and load balancer addresses are short-circuited to \
                any endpoint of the cluster, as kube-proxy does. With this flag they get a local endpoint or are dropped.
                """))
    var strictLocal = false

    @Flag(
        help: ArgumentHelp(
            "Keep the source of connections from outside whose endpoint is on this node.",
            discussion: """
                Under externalTrafficPolicy Cluster, connections are masqueraded so that answers come back through this \
                node. An endpoint on this node answers through it anyway.
                """))
    var preserveLocalSource = false

    @Flag(
        help: ArgumentHelp(
            "Accept node ports on 127.0.0.1 (IPv4), for the node's own connections.",
            discussion: """
                Needs net.ipv4.conf.all.route_localnet, which run and apply set; packets of other hosts to \
                127.0.0.0/8 are dropped.
                """))
    var localhostNodeports = false

    @Flag(help: "Count new connections per frontend, in the sets' elements.")
    var serviceCounters = false

    @Flag(
        help: ArgumentHelp(
            "Tolerate packets that fit no connection: let those of Services pass that conntrack calls INVALID.",
            discussion: """
                For networks where only one direction of a connection passes this node. run also sets the kernel's \
                nf_conntrack_tcp_be_liberal, so that TCP packets outside the window are not called INVALID.
                """))
    var conntrackTcpBeLiberal = false

    func validate() throws {
        _ = try dataplaneOptions()
        _ = try addresses()
        if let nodeName, nodeName.isEmpty { throw ValidationError("--node-name must not be empty") }
    }

    func dataplaneOptions() throws -> DataplaneOptions {
        var options = DataplaneOptions()
        options.localDetector = try detection.detector()
        options.preservesLocalSource = preserveLocalSource
        options.servesLocalhostNodePorts = localhostNodeports
        options.countsConnections = serviceCounters
        options.masqueradeAll = masqueradeAll
        options.strictLocal = strictLocal
        options.dropsInvalid = !conntrackTcpBeLiberal
        return options
    }

    /// Says what a missing range costs, and what no option can have.
    func warn(_ logger: Logger) {
        detection.warn(logger)
        for block in (try? addresses())?.blocksWithLoopback ?? [] where !(localhostNodeports && block.family == .ipv4) {
            logger.warning("--nodeport-addresses: \(block) holds loopback addresses, where no node port is served")
        }
        let open = (try? addresses())?.familiesWithoutBlock ?? []
        let own = open.isEmpty ? [] : (try? HostAddresses.all()) ?? []
        for family in open where own.contains(where: { $0.family == family && NodePortAddresses.isOrdinary($0) }) {
            logger.warning(
                """
                --nodeport-addresses: no range of \(family): node ports are served on all its addresses, as with \
                kube-proxy; with \(family == .ipv4 ? "127.0.0.0/8" : "::1/128") on none
                """)
        }
    }

    func settings() throws -> NodeSettings {
        guard let name = nodeName ?? HostAddresses.nodeName() else {
            throw ValidationError("--node-name is needed: the system does not tell the host's name")
        }
        return NodeSettings(nodeName: name, nodePortAddresses: try addresses())
    }

    private func addresses() throws -> NodePortAddresses {
        let words = nodeportAddresses.flatMap { $0.split(separator: ",") }.map { $0.trimmingBlanks() }
        switch words {
        case ["primary"], []: return .primary
        case ["all"]: return .all
        default: return .within(try CIDR.list(words, option: "--nodeport-addresses"))
        }
    }
}

extension CIDR {
    /// Parses ranges, each of which may be several separated by commas.
    static func list(_ values: [String], option: String) throws -> [CIDR] {
        try values.flatMap { $0.split(separator: ",") }.map { text in
            guard let range = CIDR(text.trimmingBlanks()) else {
                throw ValidationError("\(option): \"\(text)\" is not a range such as 10.128.0.0/16")
            }
            return range
        }
    }
}

extension StringProtocol {
    func trimmingBlanks() -> String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
