import KubernetesConfiguration
import Testing

@Suite struct MalformedConfigurationTests {
    private static let texts: [Malformed] = [
        .init("", "p.conf: is empty"),
        .init("a: [", "p.conf:2: did not find expected node content"),
        .init("a: b", "p.conf:1: apiVersion: is missing"),
        .init("- a", "p.conf:1: expected a map, found a list"),
        .init(
            "apiVersion: v1\nkind: ConfigMap",
            "p.conf:1: apiVersion: must be kubeproxy.config.k8s.io/v1alpha1, is \"v1\""),
        .init(
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeletConfiguration",
            "p.conf:2: kind: must be KubeProxyConfiguration, is \"KubeletConfiguration\""),
        .init(header + "---\n" + header, "p.conf:4: has a second document; one is expected"),
    ]

    private static let bodies: [Malformed] = [
        .init("mode: 1", "p.conf:3: mode: expected a string, found a number; put it in quotes"),
        .init("oomScoreAdj: '1'", "p.conf:3: oomScoreAdj: expected a number, found a string; remove the quotes"),
        .init(
            "oomScoreAdj: 9999999999",
            "p.conf:3: oomScoreAdj: must be -2147483648 to 2147483647, is 9999999999"),
        .init("bindAddressHardFail: 1", "p.conf:3: bindAddressHardFail: expected a boolean, found a number"),
        .init("conntrack: 1", "p.conf:3: conntrack: expected a map, found a number"),
        .init(
            "conntrack: {udpTimeout: 30}",
            "p.conf:3: conntrack.udpTimeout: expected a string, found a number; put it in quotes"),
        .init(
            "conntrack: {udpTimeout: 30 s}",
            "p.conf:3: conntrack.udpTimeout: \"30 s\" is not a duration such as 30s or 1h30m"),
        .init("nodePortAddresses: primary", "p.conf:3: nodePortAddresses: expected a list, found a string"),
        .init(
            "nodePortAddresses: [1]",
            "p.conf:3: nodePortAddresses[0]: expected a string, found a number; put it in quotes"),
        .init("featureGates: {A: x}", "p.conf:3: featureGates.A: expected a boolean, found a string"),
        .init("clientConnection: {qps: fast}", "p.conf:3: clientConnection.qps: expected a number, found a string"),
        .init(
            "logging: {vmodule: [{filePattern: 'a=b'}]}",
            "p.conf:3: logging.vmodule[0].filePattern: must be a pattern without = and commas, is \"a=b\""),
        .init(
            "logging: {options: {text: {infoBufferSize: 1 kB}}}",
            "p.conf:3: logging.options.text.infoBufferSize: \"1 kB\" is not a size such as 512 or 2Ki"),
        .init(
            "a: &a {min: 1}\nconntrack: {<<: *a}",
            "p.conf:4: conntrack.<<: YAML's merge key is not supported here; write the keys out"),
    ]

    @Test(arguments: texts + bodies.map { Malformed(header + $0.text, $0.message) })
    func theMessageNamesLineAndKey(_ file: Malformed) {
        do throws(ConfigurationError) {
            _ = try ConfigurationDraft(Array(file.text.utf8), path: "p.conf")
            Issue.record("accepted")
        } catch {
            #expect(error.description == file.message)
        }
    }

    private static let invalid: [Malformed] = [
        .init("mode: userspace", "p.conf:3: mode: must be iptables, ipvs or nftables, or empty, is \"userspace\""),
        .init("mode: kernelspace", "p.conf:3: mode: must be iptables, ipvs or nftables, or empty, is \"kernelspace\""),
        .init("iptables: {masqueradeBit: 32}", "p.conf:3: iptables.masqueradeBit: must be 0 to 31, is 32"),
        .init(
            "mode: nftables\nnftables: {masqueradeBit: -1}",
            "p.conf:4: nftables.masqueradeBit: must be 0 to 31, is -1"),
        .init("iptables: {syncPeriod: -1s}", "p.conf:3: iptables.syncPeriod: must be longer than 0, is -1s"),
        .init(
            "iptables: {minSyncPeriod: -1s}", "p.conf:3: iptables.minSyncPeriod: must not be negative, is -1s"),
        .init(
            "mode: nftables\nnftables: {syncPeriod: 1s, minSyncPeriod: 2s}",
            "p.conf:4: nftables.minSyncPeriod: must not be longer than nftables.syncPeriod, is 2s against 1s"),
        .init(
            "mode: ipvs\nipvs: {excludeCIDRs: [a]}",
            "p.conf:4: ipvs.excludeCIDRs: \"a\" is not a CIDR such as 10.0.0.0/8"),
        .init("mode: ipvs\nipvs: {tcpTimeout: -1s}", "p.conf:4: ipvs.tcpTimeout: must not be negative, is -1s"),
        .init("bindAddress: node1", "p.conf:3: bindAddress: is no IP address"),
        .init(
            "healthzBindAddress: node1:80",
            "p.conf:3: healthzBindAddress: \"node1:80\" has no IP address before its port"),
        .init(
            "metricsBindAddress: 10.0.0.1:0",
            "p.conf:3: metricsBindAddress: \"10.0.0.1:0\" has a port outside 1 to 65535"),
        .init(
            "metricsBindAddress: fd00:::1",
            "p.conf:3: metricsBindAddress: \"fd00:::1\" needs brackets around its IPv6 address"),
        .init("oomScoreAdj: -1001", "p.conf:3: oomScoreAdj: must be -1000 to 1000, is -1001"),
        .init("conntrack: {maxPerCore: -1}", "p.conf:3: conntrack.maxPerCore: must be 0 to 2147483647, is -1"),
        .init("conntrack: {min: -1}", "p.conf:3: conntrack.min: must be 0 to 2147483647, is -1"),
        .init(
            "conntrack: {udpTimeout: 500ms}",
            "p.conf:3: conntrack.udpTimeout: must be 0, or 1 to 2147483647 whole seconds, is 500ms"),
        .init("configSyncPeriod: -1s", "p.conf:3: configSyncPeriod: must be longer than 0, is -1s"),
        .init("clientConnection: {burst: -1}", "p.conf:3: clientConnection.burst: must be 0 to 2147483647, is -1"),
        .init("portRange: 9-8", "p.conf:3: portRange: must be a range of ports such as 300-2000, is \"9-8\""),
        .init("portRange: a", "p.conf:3: portRange: must be a range of ports such as 300-2000, is \"a\""),
        .init(
            "nodePortAddresses: [10.0.0.1]",
            "p.conf:3: nodePortAddresses: \"10.0.0.1\" is not a CIDR such as 10.0.0.0/8"),
        .init(
            "nodePortAddresses: [primary, loopback]",
            "p.conf:3: nodePortAddresses: \"loopback\" is not a CIDR such as 10.0.0.0/8"),
        .init("clusterCIDR: 10.0.0.0", "p.conf:3: clusterCIDR: \"10.0.0.0\" is not a CIDR such as 10.0.0.0/8"),
        .init("clusterCIDR: 10.0.0.0/8,", "p.conf:3: clusterCIDR: \"\" is not a CIDR such as 10.0.0.0/8"),
        .init(
            "detectLocalMode: Magic",
            "p.conf:3: detectLocalMode: must be ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix, "
                + "is \"Magic\""),
        .init("detectLocalMode: BridgeInterface", "p.conf: detectLocal.bridgeInterface: is missing"),
        .init(
            "detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: a*}",
            "p.conf:4: detectLocal.interfaceNamePrefix: \"a*\" cannot be the name of an interface"),
        .init(
            "showHiddenMetricsForVersion: x",
            "p.conf:3: showHiddenMetricsForVersion: must be a version such as 1.35, is \"x\""),
        .init("logging: {format: xml}", "p.conf:3: logging.format: must be text or json, is \"xml\""),
        .init("logging: {verbosity: -1}", "p.conf:3: logging.verbosity: must be 0 to 2147483647, is -1"),
        .init(
            "logging: {format: json, vmodule: [{filePattern: a}]}",
            "p.conf:3: logging.vmodule: needs logging.format text"),
    ]

    @Test(arguments: invalid)
    func valuesAreCheckedByKubeProxysRules(_ file: Malformed) throws {
        #expect(try draft(file.text).problems.map(\.description) == [file.message])
    }

    @Test(arguments: [
        "nftables: {masqueradeBit: 99, syncPeriod: -1s}", "ipvs: {excludeCIDRs: [a], tcpTimeout: -1s}",
        "clusterCIDR: nonsense\ndetectLocalMode: NodeCIDR", "clusterCIDR: 10.0.0.0/8,11.0.0.0/8",
        "nodePortAddresses: [all]", "nodePortAddresses: [primary, localhost, 10.0.0.0/8, all]", "portRange: 0-0",
        "portRange: 100+5", "portRange: '7'",
        "conntrack: {tcpEstablishedTimeout: 1h, udpTimeout: 0s}", "nodePortAddresses: [10.1.2.3/8, fd00::/8]",
    ])
    func whatKubeProxyAcceptsIsAccepted(_ body: String) throws {
        #expect(try draft(body).problems == [])
    }
}
