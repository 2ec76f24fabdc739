import Testing

@testable import KubernetesConfiguration

/// The first lines of each file.
let header = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"

/// Reads a file of that name with these lines below the header.
func draft(_ body: String, path: String = "p.conf") throws(ConfigurationError) -> ConfigurationDraft {
    try ConfigurationDraft(Array((header + body + "\n").utf8), path: path)
}

@Suite struct KubeProxyConfigurationTests {
    /// Every key with a value that is not its default.
    static let whole = """
        featureGates: {"A": true, "B": false}
        clientConnection:
          kubeconfig: "/etc/kubeconfig"
          acceptContentTypes: "application/json"
          contentType: "text/plain"
          qps: 2.5
          burst: 20
        logging:
          format: "json"
          flushFrequency: 2s
          verbosity: 4
          vmodule: [{filePattern: "proxier", verbosity: 6}]
          options:
            text:
              splitStream: true
              infoBufferSize: "1Ki"
            json:
              splitStream: true
              infoBufferSize: "2M"
        hostnameOverride: "Node-1"
        bindAddress: "fd00::1"
        healthzBindAddress: "10.0.0.1:1000"
        metricsBindAddress: "[::]:2000"
        bindAddressHardFail: true
        enableProfiling: true
        showHiddenMetricsForVersion: "1.35"
        mode: "nftables"
        iptables:
          masqueradeBit: 0
          masqueradeAll: true
          localhostNodePorts: false
          snatNodeInternalIP: true
          syncPeriod: 31s
          minSyncPeriod: 2s
        ipvs:
          syncPeriod: 32s
          minSyncPeriod: 3s
          scheduler: "lc"
          excludeCIDRs: ["10.0.0.0/8", "fd00::/8"]
          strictARP: true
          tcpTimeout: 1m0s
          tcpFinTimeout: 1.5s
          udpTimeout: 20ms
        nftables:
          masqueradeBit: 15
          masqueradeAll: true
          syncPeriod: 1m1s
          minSyncPeriod: 500ms
        winkernel:
          networkName: "n"
          sourceVip: "10.0.0.9"
          enableDSR: true
          rootHnsEndpointName: "e"
          forwardHealthCheckVip: true
        detectLocalMode: "BridgeInterface"
        detectLocal:
          bridgeInterface: "br0"
          interfaceNamePrefix: "veth"
        clusterCIDR: "10.244.0.0/16,fd00:10:244::/56"
        nodePortAddresses: ["primary"]
        oomScoreAdj: 0
        conntrack:
          maxPerCore: 0
          min: 0
          tcpEstablishedTimeout: 0s
          tcpCloseWaitTimeout: 2h0m0s
          tcpBeLiberal: true
          udpTimeout: 40s
          udpStreamTimeout: 3m0s
        configSyncPeriod: 10m0s
        portRange: "100-200"
        windowsRunAsService: true
        """

    @Test func everyKeyIsReadAndWritten() throws {
        let draft = try draft(Self.whole)
        #expect(draft.warnings == [])
        // The one that contradicts another.
        #expect(draft.problems.map(\.field) == ["logging.vmodule"])
        #expect(draft.configuration.yaml == header + Self.whole + "\n")
        for key in KubeProxyConfiguration.keys {
            #expect(!key.isDefault(draft.configuration), "\(key.path) is not read")
        }
    }

    @Test func theFieldsHaveTheValuesOfTheirKeys() throws {
        let values = try draft(Self.whole).configuration
        #expect(values.featureGates == ["A": true, "B": false])
        #expect(values.clientConnection.kubeconfig == "/etc/kubeconfig")
        #expect(values.clientConnection.qps == 2.5)
        #expect(values.logging.flushFrequency.value == GoDuration(seconds: 2))
        #expect(values.logging.vmodule.items.map(\.filePattern) == ["proxier"])
        #expect(values.logging.json.infoBufferSize == Quantity("2M"))
        #expect(values.masqueradeAll)
        #expect(values.syncPeriod == GoDuration(seconds: 61))
        #expect(values.minSyncPeriod == GoDuration(nanoseconds: 500_000_000))
        #expect(values.healthzAddress == "10.0.0.1:1000")
        #expect(values.iptables.localhostNodePorts == false)
        #expect(values.ipvs.excludeCIDRs == ["10.0.0.0/8", "fd00::/8"])
        #expect(values.conntrack.tcpCloseWaitTimeout == GoDuration(seconds: 7200))
        #expect(values.detectLocal.bridgeInterface == "br0")
    }

    /// What kubeadm 1.36 puts into its ConfigMap.
    static let kubeadm = """
        bindAddress: 0.0.0.0
        bindAddressHardFail: false
        clientConnection:
          acceptContentTypes: ""
          burst: 0
          contentType: ""
          kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
          qps: 0
        clusterCIDR: 10.244.0.0/16
        configSyncPeriod: 0s
        conntrack:
          maxPerCore: null
          min: null
          tcpBeLiberal: false
          tcpCloseWaitTimeout: null
          tcpEstablishedTimeout: null
          udpStreamTimeout: 0s
          udpTimeout: 0s
        detectLocal:
          bridgeInterface: ""
          interfaceNamePrefix: ""
        detectLocalMode: ""
        enableProfiling: false
        featureGates: null
        healthzBindAddress: ""
        hostnameOverride: ""
        iptables:
          localhostNodePorts: null
          masqueradeAll: false
          masqueradeBit: null
          minSyncPeriod: 0s
          syncPeriod: 0s
        ipvs:
          excludeCIDRs: null
          minSyncPeriod: 0s
          scheduler: ""
          strictARP: false
          syncPeriod: 0s
          tcpFinTimeout: 0s
          tcpTimeout: 0s
          udpTimeout: 0s
        logging:
          flushFrequency: 0
          options:
            json:
              infoBufferSize: "0"
            text:
              infoBufferSize: "0"
          verbosity: 0
        metricsBindAddress: ""
        mode: ""
        nftables:
          masqueradeAll: false
          masqueradeBit: null
          minSyncPeriod: 0s
          syncPeriod: 0s
        nodePortAddresses: null
        oomScoreAdj: null
        portRange: ""
        showHiddenMetricsForVersion: ""
        winkernel:
          enableDSR: false
          forwardHealthCheckVip: false
          networkName: ""
          rootHnsEndpointName: ""
          sourceVip: ""
        """

    @Test func zeroStandsForTheDefault() throws {
        let draft = try draft(Self.kubeadm)
        var expected = KubeProxyConfiguration()
        expected.clientConnection.kubeconfig = "/var/lib/kube-proxy/kubeconfig.conf"
        expected.clusterCIDR = "10.244.0.0/16"
        #expect(draft.configuration == expected)
        #expect(draft.warnings == [])
        #expect(draft.problems == [])
        #expect(draft.ineffective == [])
    }

    @Test func theDefaultsAreKubeProxys() throws {
        let defaults = try draft("").configuration
        #expect(defaults == KubeProxyConfiguration())
        #expect(ConfigurationDraft().problems == [])
        #expect(defaults.healthzAddress == "0.0.0.0:10256")
        #expect(defaults.metricsAddress == "127.0.0.1:10249")
        #expect(defaults.clientConnection.contentType == "application/vnd.kubernetes.protobuf")
        #expect(defaults.clientConnection.qps == 5)
        #expect(defaults.clientConnection.burst == 10)
        #expect(defaults.syncPeriod == GoDuration(seconds: 30))
        #expect(defaults.minSyncPeriod == GoDuration(seconds: 1))
        #expect(defaults.oomScoreAdj == -999)
        #expect(defaults.conntrack.maxPerCore == 32768)
        #expect(defaults.conntrack.min == 131_072)
        #expect(defaults.configSyncPeriod == GoDuration(seconds: 900))
        #expect(defaults.iptables.masqueradeBit == 14)
        // What is written for the defaults reads as the defaults.
        let again = try ConfigurationDraft(Array(defaults.yaml.utf8), path: "p")
        #expect(again.configuration == defaults)
        #expect(again.ineffective == [])
    }

    @Test(arguments: [
        ("bindAddress: fd00::1", "[::]:10256", "[::1]:10249"),
        ("healthzBindAddress: 10.0.0.1\nmetricsBindAddress: \"::\"", "10.0.0.1:10256", "[::]:10249"),
        ("healthzBindAddress: '[::]'\nmetricsBindAddress: :80", "[::]:10256", ":80"),
    ])
    func addressesAreCompleted(_ body: String, _ healthz: String, _ metrics: String) throws {
        let draft = try draft(body)
        #expect(draft.configuration.healthzAddress == healthz)
        #expect(draft.configuration.metricsAddress == metrics)
        #expect(draft.problems == [])
    }

    @Test func theModeChoosesTheSection() throws {
        let body = """
            iptables: {masqueradeAll: true, syncPeriod: 11s, minSyncPeriod: 1s}
            ipvs: {syncPeriod: 12s, minSyncPeriod: 2s}
            nftables: {syncPeriod: 13s, minSyncPeriod: 3s}
            """
        for (mode, all, period) in [
            ("", true, 11), ("iptables", true, 11), ("ipvs", true, 12), ("nftables", false, 13),
        ] {
            let values = try draft(body + "\nmode: \"\(mode)\"").configuration
            #expect(values.masqueradeAll == all)
            #expect(values.syncPeriod == GoDuration(seconds: Int64(period)))
            #expect(values.minSyncPeriod == GoDuration(seconds: Int64(period - 10)))
        }
    }

    @Test func jsonIsReadToo() throws {
        let text = #"{"kind":"KubeProxyConfiguration","apiVersion":"kubeproxy.config.k8s.io/v1alpha1","oomScoreAdj":5}"#
        #expect(try ConfigurationDraft(Array(text.utf8), path: "p").configuration.oomScoreAdj == 5)
    }

    // MARK: Keys that kube-proxy reads leniently

    @Test func unknownKeysAndRepeatedOnesAreWarnedOf() throws {
        let draft = try draft(
            """
            Mode: iptables
            mode: ipvs
            conntrack: {min: 1, max: 2}
            oomScoreAdj: 1
            oomScoreAdj: 2
            conntrack:
              maxPerCore: 7
            udpIdleTimeout: 250ms
            """)
        #expect(
            draft.warnings.map(\.description) == [
                "p.conf:7: oomScoreAdj: stands twice; the last one counts",
                "p.conf:8: conntrack: stands twice; the last one counts",
                "p.conf:3: Mode: is not known, and has no effect",
                "p.conf:10: udpIdleTimeout: is not known, and has no effect",
            ])
        #expect(draft.configuration.mode == "ipvs")
        #expect(draft.configuration.oomScoreAdj == 2)
        #expect(draft.configuration.conntrack.maxPerCore == 7)
        #expect(draft.configuration.conntrack.min == 131_072)
    }

    @Test func manyKeysMayStandTwiceToo() throws {
        let body = KubeProxyConfigurationTests.kubeadm + "\nmode: ipvs\noomScoreAdj: 3"
        let draft = try draft(body)
        #expect(draft.warnings.map(\.field) == ["mode", "oomScoreAdj"])
        #expect(draft.configuration.mode == "ipvs")
        #expect(draft.configuration.oomScoreAdj == 3)
    }
}
