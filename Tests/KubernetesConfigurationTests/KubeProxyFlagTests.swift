import Testing

@testable import KubernetesConfiguration

@Suite struct IneffectiveKeyTests {
    @Test func eachKeyWithoutEffectGetsItsLine() throws {
        let draft = try draft(KubeProxyConfigurationTests.whole)
        let said = Set(draft.ineffective.map(\.field))
        var expected = Set<String>()
        for key in KubeProxyConfiguration.keys { if case .none = key.effect { expected.insert(key.path) } }
        // Gates have names of their own. Mode nftables reads its own section, and a bridge tells what is local.
        expected.formUnion([
            "iptables.masqueradeAll", "iptables.localhostNodePorts", "iptables.syncPeriod", "iptables.minSyncPeriod",
            "ipvs.syncPeriod", "ipvs.minSyncPeriod", "detectLocal.interfaceNamePrefix", "clusterCIDR",
            "featureGates.A", "featureGates.B",
        ])
        #expect(said == expected)
        #expect(draft.ineffective.count == said.count)
    }

    @Test(arguments: [
        (
            "mode: ipvs\nipvs: {scheduler: lc, syncPeriod: 10s}",
            [
                "p.conf:3: mode: has no effect: Fairlead is a mode of its own, over nftables; of ipvs it takes "
                    + "masqueradeAll and the periods, and node ports are on primary addresses unless nodePortAddresses "
                    + "says otherwise",
                "p.conf:4: ipvs.scheduler: has no effect: endpoints are picked at random",
            ]
        ),
        (
            "nftables: {masqueradeAll: true, syncPeriod: 10s, masqueradeBit: 3}",
            [
                "p.conf:3: nftables.masqueradeBit: has no effect: packets are not marked: masquerade is decided from "
                    + "connection tracking",
                "p.conf:3: nftables.masqueradeAll: has no effect: without a mode, iptables.masqueradeAll counts",
                "p.conf:3: nftables.syncPeriod: has no effect: without a mode, iptables.syncPeriod counts",
            ]
        ),
        ("mode: nftables\nnftables: {masqueradeAll: true, masqueradeBit: 14}", []),
        (
            "detectLocalMode: NodeCIDR\nclusterCIDR: 10.0.0.0/8",
            ["p.conf:4: clusterCIDR: has no effect: detectLocalMode is NodeCIDR"]
        ),
        ("iptables: {localhostNodePorts: true}", []),
    ])
    func theLineSaysWhy(_ body: String, _ lines: [String]) throws {
        #expect(try draft(body).ineffective.map(\.description) == lines)
    }
}

@Suite struct KubeProxyFlagTests {
    /// The flags that `kube-proxy --help` of 1.36 lists, and the two deprecated ones that it hides.
    static let names: Set<String> = [
        "add-dir-header", "alsologtostderr", "bind-address", "bind-address-hard-fail", "cleanup", "cluster-cidr",
        "config", "config-sync-period", "conntrack-max-per-core", "conntrack-min", "conntrack-tcp-be-liberal",
        "conntrack-tcp-timeout-close-wait", "conntrack-tcp-timeout-established", "conntrack-udp-timeout",
        "conntrack-udp-timeout-stream", "detect-local-mode", "feature-gates", "healthz-bind-address", "healthz-port",
        "help", "hostname-override", "init-only", "iptables-localhost-nodeports", "iptables-masquerade-bit",
        "iptables-min-sync-period", "iptables-sync-period", "ipvs-exclude-cidrs", "ipvs-min-sync-period",
        "ipvs-scheduler", "ipvs-strict-arp", "ipvs-sync-period", "ipvs-tcp-timeout", "ipvs-tcpfin-timeout",
        "ipvs-udp-timeout", "kube-api-burst", "kube-api-content-type", "kube-api-qps", "kubeconfig",
        "log-backtrace-at", "log-dir", "log-file", "log-file-max-size", "log-flush-frequency",
        "log-json-info-buffer-size", "log-json-split-stream", "log-text-info-buffer-size", "log-text-split-stream",
        "logging-format", "logtostderr", "masquerade-all", "master", "metrics-bind-address", "metrics-port",
        "nodeport-addresses", "one-output", "oom-score-adj", "pod-bridge-interface", "pod-interface-name-prefix",
        "profiling", "proxy-mode", "show-hidden-metrics-for-version", "skip-headers", "skip-log-headers",
        "stderrthreshold", "v", "version", "vmodule", "write-config-to",
    ]

    @Test func everyFlagIsKnown() {
        #expect(Set(KubeProxyFlag.all.map(\.name)) == Self.names)
        #expect(KubeProxyFlag.all.count == Self.names.count)
        #expect(KubeProxyFlag.named("log_dir")?.name == "log-dir")
        for flag in KubeProxyFlag.all {
            guard case .key(let path) = flag.meaning else { continue }
            #expect(KubeProxyConfiguration.key(path) != nil, "--\(flag.name) sets \(path)")
        }
    }

    private static func configured(
        _ flags: [(name: String, value: String)], over body: String = ""
    ) throws(ConfigurationError) -> ConfigurationDraft {
        var draft = try draft(body)
        try draft.apply(flags)
        return draft
    }

    @Test func flagsWinOverTheFile() throws {
        let draft = try Self.configured(
            [("oom-score-adj", "-5"), ("oom-score-adj", "7"), ("nodeport-addresses", "10.0.0.0/8,fd00::/8")],
            over: "oomScoreAdj: 3\nbindAddress: 10.0.0.1")
        #expect(draft.configuration.oomScoreAdj == 7)
        #expect(draft.configuration.bindAddress == "10.0.0.1")
        #expect(draft.configuration.nodePortAddresses == ["10.0.0.0/8", "fd00::/8"])
    }

    @Test func whatDependsOnTheModeGoesToItsSection() throws {
        let flags = [("iptables-sync-period", "7s"), ("masquerade-all", "true"), ("ipvs-sync-period", "8s")]
            .map { (name: $0.0, value: $0.1) }
        for (mode, period) in [("iptables", 7), ("ipvs", 8), ("nftables", 7)] {
            let draft = try Self.configured(flags + [("proxy-mode", mode)])
            #expect(draft.configuration.masqueradeAll)
            #expect(draft.configuration.syncPeriod == GoDuration(seconds: Int64(period)))
        }
        let other = try Self.configured(flags, over: "mode: nftables")
        #expect(
            other.ineffective.map(\.description)
                == ["--ipvs-sync-period: has no effect: with mode nftables, nftables.syncPeriod counts"])
    }

    @Test func portsCompleteAddresses() throws {
        let ports = [("healthz-port", "0"), ("metrics-port", "99")].map { (name: $0.0, value: $0.1) }
        let off = try Self.configured(ports)
        #expect(off.configuration.healthzAddress == "")
        #expect(off.configuration.metricsAddress == "127.0.0.1:10249")
        let bare = try Self.configured(ports + [("metrics-bind-address", "fd00::1")])
        #expect(bare.configuration.metricsAddress == "[fd00::1]:99")
        #expect(try Self.configured([("healthz-bind-address", "")]).configuration.healthzAddress == "")
    }

    @Test("of feature gates a flag changes those that it names, and each that has no effect gets its line")
    func gates() throws {
        let file = "featureGates: {AllowServiceExternalIPs: false, ContextualLogging: true, WinDSR: true}"
        let draft = try Self.configured(
            [
                ("feature-gates", "ContextualLogging=false,AllowServiceExternalIps=false"),
                ("feature-gates", "KubeProxyNFTablesLocalhostNodePorts=true"),
            ], over: file)
        #expect(!draft.configuration.allowsExternalIPs)
        #expect(draft.configuration.allowsLocalhostNodePorts)
        #expect(
            draft.ineffective.map(\.description) == [
                "--feature-gates: AllowServiceExternalIps has no effect: Fairlead knows no gate of this name; "
                    + "AllowServiceExternalIPs is one",
                "--feature-gates: ContextualLogging has no effect: it is of kube-proxy's logging library",
                "p.conf:3: featureGates.WinDSR: has no effect: it is for Windows",
            ])
        let flag = try Self.configured([("feature-gates", "AllowServiceExternalIPs=true")], over: file)
        #expect(flag.configuration.allowsExternalIPs)
    }

    @Test func aFlagWithoutEffectGetsItsLine() throws {
        let draft = try Self.configured(
            [("ipvs-scheduler", ""), ("logtostderr", "true"), ("proxy-mode", "iptables"), ("feature-gates", "A=true")])
        #expect(
            draft.ineffective.map(\.description) == [
                "--feature-gates: A has no effect: Fairlead knows no gate of this name",
                "--proxy-mode: has no effect: Fairlead is a mode of its own, over nftables; of iptables it takes "
                    + "masqueradeAll and the periods, and node ports are on primary addresses unless nodePortAddresses "
                    + "says otherwise",
                "--ipvs-scheduler: has no effect: endpoints are picked at random",
                "--logtostderr: has no effect: log lines go to standard error and nowhere else",
            ])
    }

    @Test(arguments: [
        ("oom-score-adj", "much", "--oom-score-adj: \"much\" is not a whole number"),
        ("kube-api-qps", "x", "--kube-api-qps: \"x\" is not a number"),
        ("ipvs-udp-timeout", "5", "--ipvs-udp-timeout: \"5\" is not a duration such as 30s or 1h30m"),
        ("ipvs-strict-arp", "yes", "--ipvs-strict-arp: \"yes\" is not true or false"),
        ("feature-gates", "A", "--feature-gates: \"A\" is not a list such as A=true,B=false"),
        ("vmodule", "a", "--vmodule: \"a\" is not a list such as proxier=4"),
        ("log-text-info-buffer-size", "big", "--log-text-info-buffer-size: \"big\" is not a size such as 512 or 2Ki"),
        ("healthz-port", "-1", "--healthz-port: must be 0 to 65535"),
    ])
    func aValueThatMakesNoSenseIsNamed(_ name: String, _ value: String, _ message: String) {
        do throws(ConfigurationError) {
            _ = try Self.configured([(name, value)])
            Issue.record("accepted")
        } catch {
            #expect(error.description == message)
        }
    }

    @Test func aProblemNamesTheFlagThatIsToBlame() throws {
        let draft = try Self.configured([("oom-score-adj", "2000")], over: "oomScoreAdj: -2000")
        #expect(draft.problems.map(\.description) == ["--oom-score-adj: must be -1000 to 1000, is 2000"])
    }
}

@Suite struct GoDurationTests {
    @Test(
        arguments: [
            ("0", 0, "0s"), ("0s", 0, "0s"), ("1ns", 1, "1ns"), ("1.5us", 1500, "1.5µs"), ("20ms", 20_000_000, "20ms"),
            ("1s", 1_000_000_000, "1s"), ("90s", 90_000_000_000, "1m30s"), ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("1h2m3.004s", 3_723_004_000_000, "1h2m3.004s"), ("-1m", -60_000_000_000, "-1m0s"),
            ("+.5s", 500_000_000, "500ms"),
            ("24h", 86_400_000_000_000, "24h0m0s"), ("1.s", 1_000_000_000, "1s"),
            ("2562047h47m16.854775807s", Int64.max, "2562047h47m16.854775807s"),
        ] as [(String, Int64, String)])
    func durationsAreReadAndPrintedAsGoDoes(_ text: String, _ nanoseconds: Int64, _ printed: String) {
        #expect(GoDuration(text)?.nanoseconds == nanoseconds)
        #expect(GoDuration(nanoseconds: nanoseconds).description == printed)
    }

    @Test(arguments: ["", "s", ".s", "-", "1", "1 s", "1d", "1s1", "1..s", "2562048h", "99999999999999999999h", "٣s"])
    func whatGoRefusesIsRefused(_ text: String) { #expect(GoDuration(text) == nil) }
}
