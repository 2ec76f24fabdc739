import ArgumentParser
import FairleadTestKit
import KubernetesConfiguration
import Logging
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Telemetry
import Testing

@testable import FairleadCommands
@testable import NodeAgent

private let header = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"

/// What `run` makes of options and, if there is one, of a configuration file with these lines.
private func settings(_ arguments: [String], file: String? = nil) throws -> Settings {
    let directory = try TemporaryDirectory()
    var arguments = arguments + ["--log-level", "critical"]
    if let file { arguments += ["--config", try directory.write(header + file, to: "config.conf")] }
    let run = try parse(arguments)
    return try Settings(
        file: run.file, source: run.source, node: run.node, log: run.log,
        others: [run.process, run.observation, run.conntrack])
}

@Suite struct SettingsTests {
    @Test func theFileHoldsWhereTheCommandLineIsSilent() throws {
        let file = """
            mode: nftables
            hostnameOverride: " Node-A "
            clusterCIDR: 10.1.0.0/16
            nodePortAddresses: [10.0.0.0/8]
            bindAddress: 10.0.0.9
            healthzBindAddress: 10.0.0.9:1
            nftables: {masqueradeAll: true, minSyncPeriod: 3s, syncPeriod: 40s}
            conntrack: {maxPerCore: 0, tcpBeLiberal: true, udpTimeout: 40s}
            """
        let fromFile = try settings([], file: file)
        var node = NodeSettings(
            nodeName: "node-a", nodePortAddresses: .within([try #require(CIDR("10.0.0.0/8"))]))
        node.primaryAddress = IPAddress("10.0.0.9")
        #expect(try fromFile.node() == node)
        #expect(fromFile.dataplane.localDetector == .clusterCIDRs([try #require(CIDR("10.1.0.0/16"))]))
        #expect(fromFile.dataplane.masqueradeAll)
        #expect(fromFile.minSyncPeriod == .seconds(3))
        #expect(fromFile.configuration.healthzPlaces.map(\.description) == ["10.0.0.9:1"])
        let conntrack = fromFile.configuration.conntrack.settings
        #expect(conntrack.maximumPerCore == nil)
        #expect(conntrack.tcpBeLiberal)
        #expect(conntrack.udpTimeout == 40)
        #expect(conntrack.tcpEstablishedTimeout == 86400)
        let both = try settings(
            [
                "--hostname-override=B", "--cluster-cidr", "10.2.0.0/16", "--nodeport-addresses", "all",
                "--bind-address=::", "--healthz-bind-address=", "--masquerade-all=false", "--min-sync-period=0s",
                "--conntrack-tcp-be-liberal=false",
            ], file: file)
        #expect(try both.node() == NodeSettings(nodeName: "b", nodePortAddresses: .all))
        #expect(both.dataplane.localDetector == .clusterCIDRs([try #require(CIDR("10.2.0.0/16"))]))
        #expect(!both.dataplane.masqueradeAll)
        #expect(both.minSyncPeriod == .zero)
        #expect(both.configuration.healthzPlaces == [])
        #expect(!both.configuration.conntrack.settings.tcpBeLiberal)
        #expect(both.configuration.conntrack.settings.udpTimeout == 40)
    }

    @Test("external IPs are served unless the gate or the option says no")
    func externalIPs() throws {
        #expect(try settings([]).node().servesExternalIPs)
        #expect(try !settings(["--no-external-ips"]).node().servesExternalIPs)
        #expect(try settings(["--no-external-ips"]).text.contains("# What it has no keys for: --no-external-ips\n"))
        let off = "featureGates: {AllowServiceExternalIPs: false}"
        #expect(try !settings([], file: off).node().servesExternalIPs)
        let on = "featureGates: {AllowServiceExternalIPs: true}"
        #expect(try !settings(["--no-external-ips"], file: on).node().servesExternalIPs)
    }

    @Test("/flagz and /configz tell what is in force")
    func pages() throws {
        let file = "featureGates: {B: true, A: false, ComponentStatusz: false}\nclusterCIDR: 10.0.0.0/8"
        let options = ["--nodeport-addresses=primary,10.0.0.0/8", "--strict-local", "--oom-score-adj=5"]
        let pages = try settings(options, file: file).componentPages
        for (name, expected) in [
            ("feature-gates", "A=false,B=true,ComponentStatusz=false"), ("cluster-cidr", "10.0.0.0/8"),
            ("nodeport-addresses", "[primary,10.0.0.0/8]"), ("strict-local", "true"), ("oom-score-adj", "5"),
            ("masquerade-all", "false"), ("config-sync-period", "15m0s"),
        ] {
            #expect(pages.flags[name] == expected, "\(name)")
        }
        #expect(pages.flags["config"]?.hasSuffix("/config.conf") == true)
        #expect(!pages.tellsStatus && pages.tellsFlags)
        let json = pages.configuration
        #expect(json.hasPrefix(#"{"apiVersion":"kubeproxy.config.k8s.io/v1alpha1","kind":"KubeProxyConfiguration","#))
        #expect(json.contains(#""nodePortAddresses":["primary","10.0.0.0/8"],"oomScoreAdj":5"#), "\(json)")
        #expect(json.contains(#""featureGates":{"A":false,"B":true,"ComponentStatusz":false}"#), "\(json)")
        #expect(json.contains(#""configSyncPeriod":"15m0s""#), "\(json)")
    }

    @Test("127.0.0.1 has node ports where gate and addresses ask for it")
    func localhostGate() throws {
        let gate = "featureGates: {KubeProxyNFTablesLocalhostNodePorts: true}\nmode: nftables"
        for (addresses, expected) in [
            ("primary,localhost", true), ("127.0.0.0/8", true), ("127.0.0.2/32,10.0.0.0/8", false), ("::1/128", false),
            ("0.0.0.0/0", false), ("primary", false),
        ] {
            let options = ["--nodeport-addresses", addresses]
            #expect(try settings(options, file: gate).servesLocalhostNodePorts == expected, "\(addresses)")
            #expect(try !settings(options).servesLocalhostNodePorts)
        }
    }

    @Test func withoutEitherTheDefaultsHold() throws {
        let defaults = try settings([])
        #expect(try defaults.node().nodePortAddresses == .primary)
        #expect(try defaults.node().primaryAddress == nil)
        #expect(defaults.dataplane == DataplaneOptions())
        #expect(defaults.minSyncPeriod == .zero)
        #expect(defaults.configuration.metricsPlaces.map(\.description) == ["127.0.0.1:10249"])
        #expect(defaults.configuration.healthzPlaces.count == 2)
        #expect(defaults.file == nil)
        #expect(defaults.configurationWatch == nil)
    }

    @Test(arguments: [
        ("", [], false), ("iptables: {localhostNodePorts: true}", [], true),
        ("mode: nftables\niptables: {localhostNodePorts: true}", [], false), ("", ["--localhost-nodeports"], true),
        ("iptables: {localhostNodePorts: false}", ["--localhost-nodeports"], true),
        ("", ["--iptables-localhost-nodeports"], true), ("", ["--iptables-localhost-nodeports=false"], false),
    ])
    func nodePortsOnLoopbackHaveToBeAskedFor(_ file: String, _ arguments: [String], _ expected: Bool) throws {
        #expect(try settings(arguments, file: file).servesLocalhostNodePorts == expected)
    }

    @Test(arguments: [
        ("NodeCIDR", LocalDetector.nodeCIDRs), ("BridgeInterface", .bridge("br0")),
        ("InterfaceNamePrefix", .interfacePrefix("veth")), ("ClusterCIDR", .clusterCIDRs([])),
    ])
    func theDetectorIsTheModes(_ mode: String, _ detector: LocalDetector) throws {
        let file = "detectLocal: {bridgeInterface: br0, interfaceNamePrefix: veth}\ndetectLocalMode: \(mode)"
        #expect(try settings([], file: file).dataplane.localDetector == detector)
    }

    @Test(
        arguments: [
            ("", [], Logger.Level.notice, LogFormat.text), ("logging: {verbosity: 2, format: json}", [], .info, .json),
            ("logging: {verbosity: 2}", ["-v=4"], .debug, .text), ("logging: {verbosity: 9}", [], .trace, .text),
            ("logging: {format: json}", ["--logging-format=text", "--v=1"], .notice, .text),
            ("logging: {verbosity: 4, format: json}", ["--log-level=error", "--log-format=text"], .error, .text),
        ] as [(String, [String], Logger.Level, LogFormat)])
    func theLogIsAsAskedFor(
        _ file: String, _ arguments: [String], _ level: Logger.Level, _ format: LogFormat
    ) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(header + file, to: "config.conf")
        let run = try parse(arguments + ["--config", path])
        var draft = try ConfigurationDraft(file: path)
        try draft.apply(run.process.given)
        let output = try #require(run.log.logger(draft.configuration.logging).handler as? LogOutput)
        #expect(output.logLevel == level)
        #expect(output.format == format)
    }

    @Test(arguments: [
        (["--oom-score-adj=1001"], "--oom-score-adj: must be -1000 to 1000, is 1001"),
        (["--detect-local-mode=BridgeInterface"], "--pod-bridge-interface: is missing"),
        (["--cluster-cidr=10.0.0.0"], "--cluster-cidr: \"10.0.0.0\" is not a CIDR such as 10.0.0.0/8"),
        (["--bind-address=node"], "--bind-address: is no IP address"),
        (["--masquerade-all=maybe"], "--masquerade-all: \"maybe\" is not true or false"),
        (["--nodeport-addresses=primary,any"], "--nodeport-addresses: \"any\" is not a CIDR such as 10.0.0.0/8"),
    ])
    func aMistakeOnTheCommandLineIsWrongUsage(_ arguments: [String], _ message: String) {
        do {
            _ = try settings(arguments)
            Issue.record("accepted")
        } catch {
            #expect(Run.message(for: error) == message)
            #expect(Run.exitCode(for: error) == .validationFailure)
        }
    }

    @Test(arguments: ["oomScoreAdj: 1001", "oomScoreAdj: x", "kind: Pod"])
    func aMistakeInTheFileIsAFailure(_ file: String) {
        do {
            _ = try settings([], file: file)
            Issue.record("accepted")
        } catch {
            #expect(Run.exitCode(for: error) == .failure)
        }
    }

    @Test func whatIsWrittenReadsAsWhatIsInForce() throws {
        let arguments = ["--oom-score-adj=5", "--strict-local", "--ipvs-scheduler=lc", "--metrics-bind-address="]
        let first = try settings(arguments, file: "mode: ipvs\nclusterCIDR: 10.0.0.0/8")
        #expect(first.text.contains("\n# What it has no keys for: --strict-local --metrics-bind-address=\n"))
        let draft = try ConfigurationDraft(Array(first.text.utf8), path: "written")
        #expect(draft.warnings == [])
        var expected = first.configuration
        expected.healthzBindAddress = nil
        expected.metricsBindAddress = nil
        #expect(draft.configuration == expected)
    }
}

/// `--help` says what the configuration has.
@Suite struct HelpTests {
    private static func help(columns: Int = 4000) -> String {
        Run.helpMessage(columns: columns).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    @Test("--help has the statements about options that documents and keys have")
    func statements() {
        let help = Self.help()
        for statement in OptionStatement.all {
            #expect(help.contains(OptionStatement.sentence(statement)), "\(statement)")
        }
    }

    @Test("the defaults that --help names are those of the configuration")
    func defaults() {
        let values = KubeProxyConfiguration()
        let help = Self.help()
        for (option, expected) in [
            ("--healthz-bind-address", values.healthzAddress), ("--metrics-bind-address", values.metricsAddress),
            ("--detect-local-mode", values.detectLocalMode), ("--oom-score-adj", "\(values.oomScoreAdj)"),
            ("--log-format", values.logging.format), ("--conntrack-max-per-core", "\(values.conntrack.maxPerCore)"),
            ("--conntrack-min", "\(values.conntrack.min)"),
            ("--conntrack-tcp-timeout-established", "\(values.conntrack.tcpEstablishedTimeout)"),
            ("--conntrack-tcp-timeout-close-wait", "\(values.conntrack.tcpCloseWaitTimeout)"),
        ] {
            let start = help.firstRange(of: "\(option) <")
            let text = start.map { help[$0.lowerBound...] } ?? ""
            let told = text.firstRange(of: "(default: ").map { text[$0.upperBound...].prefix { $0 != ")" } }
            #expect(told.map(String.init) == expected, "\(option)")
        }
    }
}
