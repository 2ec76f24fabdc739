import ArgumentParser
import KubernetesConfiguration
import KubernetesModel

/// The configuration file.
struct FileOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "kube-proxy's configuration file (KubeProxyConfiguration).",
            discussion: "Options on the command line win over it. docs/kube-proxy.md says what each key does."))
    var config: String?
}

/// What describes the node and shapes its rules; kube-proxy's names where it has one.
struct NodeOptions: ParsableArguments, KubeProxyOptions {
    @Option(
        name: [.long, .customLong("hostname-override")],
        help: "Name of this node in the cluster. Default: the host's name in lower case.")
    var nodeName: String?

    @Option(
        help: ArgumentHelp(
            "Addresses of the node that accept node ports: any of primary, all, localhost and ranges, separated by commas. "
                + "(default: primary)",
            discussion: """
                primary: the first address of each family in the Node object; without one, the address of the default \
                route. \(OptionStatement.sentence(OptionStatement.familyWithoutRange)) \
                \(OptionStatement.sentence(OptionStatement.familyWithoutPrimary)) Both rules hold where \
                the list has nothing else for the family. localhost, as any range of loopback addresses, turns that off \
                and adds nothing by itself: see --localhost-nodeports.
                """))
    var nodeportAddresses: [String] = []

    @Option(
        help: ArgumentHelp(
            "Primary address of the node, in place of the Node object's.",
            discussion: """
                Nothing listens on it; see --nodeport-addresses, also for what a loopback address means. 0.0.0.0 and :: \
                change nothing.
                """))
    var bindAddress: String?

    @OptionGroup var detection: DetectionOptions

    @Option(defaultAsFlag: Switch.on, parsing: .next, help: "Masquerade all traffic to ClusterIPs.")
    var masqueradeAll: Switch?

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

    @Flag(
        help: ArgumentHelp(
            "Leave the externalIPs of Services unserved.",
            discussion: """
                Who may write a Service could take traffic for any address with them. The same as kube-proxy's feature gate \
                AllowServiceExternalIPs=false. A finding names each Service that has any.
                """))
    var noExternalIps = false

    @Option(
        help: ArgumentHelp(
            "Taints of this node that take it out of load balancers: keys, separated by commas. Default: none.",
            discussion: """
                While the node has one, /healthz and the health check ports of Services answer 503; everything is served as \
                before. Set the taint, wait until load balancers have noticed, then evict the pods. Cordon is no such taint.
                """))
    var drainTaints: [String] = []

    @Flag(
        help: ArgumentHelp(
            "Reset established TCP connections whose endpoint is gone, at the client's next segment.",
            discussion: """
                Gone is an endpoint that no slice of the Service names any more, terminating ones are not. Without it such a \
                connection hangs until its client gives up. The annotation \(Service.resetAnnotation) says it for one Service.
                """))
    var resetGoneEndpoints = false

    @Flag(help: "Count new connections per frontend, in the sets' elements.")
    var serviceCounters = false

    @Flag(
        help: ArgumentHelp(
            "Count bytes and packets of each frontend's connections, in the sets' elements.",
            discussion: """
                Each packet of a connection to a Service then has two to three lookups more, each other packet of the node one rule. \
                Without it there is neither a rule nor an element for it.
                """))
    var serviceTraffic = false

    @Option(
        defaultAsFlag: Switch.on, parsing: .next,
        help: ArgumentHelp(
            "Tolerate packets that fit no connection: let those of Services pass that conntrack calls INVALID.",
            discussion: """
                For networks where only one direction of a connection passes this node. run also sets the kernel's \
                nf_conntrack_tcp_be_liberal, so that TCP packets outside the window are not called INVALID.
                """))
    var conntrackTcpBeLiberal: Switch?

    func validate() throws {
        if let nodeName, nodeName.isEmpty { throw ValidationError("--node-name must not be empty") }
        _ = try readDrainTaints()
    }

    /// What `--drain-taints` says.
    func readDrainTaints() throws -> DrainTaints { try DrainTaints(option: drainTaints) }

    var given: [(name: String, value: String)] {
        var given = detection.given
        given.add("hostname-override", nodeName)
        if !nodeportAddresses.isEmpty {
            given.add("nodeport-addresses", nodeportAddresses.joined(separator: ","))
        }
        given.add("bind-address", bindAddress)
        given.add("masquerade-all", masqueradeAll)
        given.add("conntrack-tcp-be-liberal", conntrackTcpBeLiberal)
        return given
    }

    /// The options that kube-proxy has no counterpart for, as they stand on a command line.
    var ownArguments: [String] {
        [
            ("--strict-local", strictLocal), ("--preserve-local-source", preserveLocalSource),
            ("--localhost-nodeports", localhostNodeports), ("--service-counters", serviceCounters),
            ("--service-traffic", serviceTraffic),
            ("--no-external-ips", noExternalIps), ("--reset-gone-endpoints", resetGoneEndpoints),
        ].filter(\.1).map(\.0) + (drainTaints.isEmpty ? [] : ["--drain-taints=" + drainTaints.joined(separator: ",")])
    }
}

extension DrainTaints {
    /// What an option `--drain-taints` says; wrong usage if it says nothing that makes sense. An empty one says nothing.
    init(option texts: [String]) throws {
        do throws(DrainTaintProblem) { try self.init(texts.filter { !$0.isEmpty }) } catch {
            throw ValidationError("--drain-taints: \(error)")
        }
    }
}
