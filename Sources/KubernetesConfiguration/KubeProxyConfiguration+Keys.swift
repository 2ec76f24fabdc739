extension KubeProxyConfiguration {
    /// Every key, in the order of the API's documentation.
    public static let keys: [Key] = general + modes + detection + node

    private static let general: [Key] = [
        Key("featureGates", \.featureGates, .takes(FeatureGate.summary)),
        Key(
            "clientConnection.kubeconfig", \.clientConnection.kubeconfig,
            .takes("the kubeconfig; without it, and without `--manifests`, a pod's service account is used")),
        Key(
            "clientConnection.acceptContentTypes", \.clientConnection.acceptContentTypes,
            .none(alwaysProtobuf)),
        Key(
            "clientConnection.contentType", \.clientConnection.contentType,
            .none(alwaysProtobuf)),
        Key("clientConnection.qps", \.clientConnection.qps, .none(fewRequests)),
        Key("clientConnection.burst", \.clientConnection.burst, .none(fewRequests)),
        Key("logging.format", \.logging.format, .takes("`text` or `json`; `--log-format` wins")),
        Key("logging.flushFrequency", \.logging.flushFrequency, .none(writtenAtOnce)),
        Key(
            "logging.verbosity", \.logging.verbosity,
            .takes("0 and 1: `--log-level notice`, 2 and 3: `info`, 4 and 5: `debug`, from 6 on: `trace`")),
        Key("logging.vmodule", \.logging.vmodule, .none("its patterns are names of kube-proxy's source files")),
        Key("logging.options.text.splitStream", \.logging.text.splitStream, .none(oneStream)),
        Key("logging.options.text.infoBufferSize", \.logging.text.infoBufferSize, .none(writtenAtOnce)),
        Key("logging.options.json.splitStream", \.logging.json.splitStream, .none(oneStream)),
        Key("logging.options.json.infoBufferSize", \.logging.json.infoBufferSize, .none(writtenAtOnce)),
        Key(
            "hostnameOverride", \.hostnameOverride,
            .takes("the Node's name, in lower case; one that no Node can have is wrong")),
        Key(
            "bindAddress", \.bindAddress,
            .takes(
                "unless `0.0.0.0` or `::`: the node's primary address of that family, for node ports on `primary` and "
                    + "for source ranges that hold the node")),
        Key(
            "healthzBindAddress", \.healthzBindAddress,
            .takes("where `/healthz` and `/livez` are; `0.0.0.0` and `::` stand for both families")),
        Key("metricsBindAddress", \.metricsBindAddress, .takes("where `/metrics` is; likewise")),
        Key(
            "bindAddressHardFail", \.bindAddressHardFail,
            .takes("`run` ends with exit code 1 if it cannot listen on one of these two addresses when it starts")),
        Key("enableProfiling", \.enableProfiling, .none("a profile of a Go program has no counterpart; perf serves")),
        Key(
            "showHiddenMetricsForVersion", \.showHiddenMetricsForVersion, .none("no metric is hidden")),
    ]

    private static let modes: [Key] = [
        Key(
            "mode", \.mode,
            .takes(
                "which section `masqueradeAll` and the periods are read from; Fairlead is a mode of its own, over "
                    + "nftables"),
            unless: { configuration in
                switch configuration.mode {
                case "", "nftables": nil
                default:
                    "Fairlead is a mode of its own, over nftables; of \(configuration.mode) it takes masqueradeAll and "
                        + "the periods, and node ports are on primary addresses unless nodePortAddresses says otherwise"
                }
            }),
        Key("iptables.masqueradeBit", \.iptables.masqueradeBit, .none(noMark), zeroIsValue: true),
        Key(
            "iptables.masqueradeAll", \.iptables.masqueradeAll,
            .takes("unless `mode` is nftables"),
            unless: section("masqueradeAll", of: "iptables", \.masqueradeSection)),
        Key(
            "iptables.localhostNodePorts", \.iptables.localhostNodePorts,
            .takes("`true` does what `--localhost-nodeports` does, unless `mode` is nftables; unset means no"),
            zeroIsValue: true,
            unless: { configuration in
                configuration.mode == "nftables" ? "with mode nftables, kube-proxy ignores it too" : nil
            }),
        Key(
            "iptables.snatNodeInternalIP", \.iptables.snatNodeInternalIP,
            .none(
                "masquerading takes the address that the way to the endpoint has (the key is proposed in kubernetes#138360, and in no "
                    + "kube-proxy up to 1.38.0-alpha.2)"),
            zeroIsValue: false),
        Key(
            "iptables.syncPeriod", \.iptables.syncPeriod,
            .takes("with `mode` empty or iptables: as `nftables.syncPeriod`"),
            unless: section("syncPeriod", of: "iptables", \.periodSection)),
        Key(
            "iptables.minSyncPeriod", \.iptables.minSyncPeriod,
            .takes("with `mode` empty or iptables: as `nftables.minSyncPeriod`"),
            unless: section("minSyncPeriod", of: "iptables", \.periodSection)),
        Key(
            "ipvs.syncPeriod", \.ipvs.syncPeriod, .takes("with `mode` ipvs: as `nftables.syncPeriod`"),
            unless: section("syncPeriod", of: "ipvs", \.periodSection)),
        Key(
            "ipvs.minSyncPeriod", \.ipvs.minSyncPeriod, .takes("with `mode` ipvs: as `nftables.minSyncPeriod`"),
            unless: section("minSyncPeriod", of: "ipvs", \.periodSection)),
        Key("ipvs.scheduler", \.ipvs.scheduler, .none("endpoints are picked at random")),
        Key("ipvs.excludeCIDRs", \.ipvs.excludeCIDRs, .none("Fairlead has no IPVS rules to clean up")),
        Key("ipvs.strictARP", \.ipvs.strictARP, .none("no address of a Service is put on an interface")),
        Key("ipvs.tcpTimeout", \.ipvs.tcpTimeout, .none(noIPVS)),
        Key("ipvs.tcpFinTimeout", \.ipvs.tcpFinTimeout, .none(noIPVS)),
        Key("ipvs.udpTimeout", \.ipvs.udpTimeout, .none(noIPVS)),
        Key("nftables.masqueradeBit", \.nftables.masqueradeBit, .none(noMark), zeroIsValue: true),
        Key(
            "nftables.masqueradeAll", \.nftables.masqueradeAll, .takes("with `mode` nftables"),
            unless: section("masqueradeAll", of: "nftables", \.masqueradeSection)),
        Key(
            "nftables.syncPeriod", \.nftables.syncPeriod,
            .takes(
                "with `mode` nftables: `/healthz` answers 503 when a change has waited for twice as long; what failed is "
                    + "tried again by Fairlead's own [schedule](operations.md#when-something-is-wrong)"),
            unless: section("syncPeriod", of: "nftables", \.periodSection)),
        Key(
            "nftables.minSyncPeriod", \.nftables.minSyncPeriod,
            .takes(
                "with `mode` nftables: the least time between commits while changes keep coming; a change that comes alone "
                    + "goes out at once"),
            unless: section("minSyncPeriod", of: "nftables", \.periodSection)),
        Key("winkernel.networkName", \.winkernel.networkName, .none(windows)),
        Key("winkernel.sourceVip", \.winkernel.sourceVip, .none(windows)),
        Key("winkernel.enableDSR", \.winkernel.enableDSR, .none(windows)),
        Key("winkernel.rootHnsEndpointName", \.winkernel.rootHnsEndpointName, .none(windows)),
        Key("winkernel.forwardHealthCheckVip", \.winkernel.forwardHealthCheckVip, .none(windows)),
    ]

    private static let detection: [Key] = [
        Key("detectLocalMode", \.detectLocalMode, .takes("")),
        Key(
            "detectLocal.bridgeInterface", \.detectLocal.bridgeInterface,
            .takes("with `detectLocalMode` BridgeInterface"),
            unless: detectLocal(by: "BridgeInterface")),
        Key(
            "detectLocal.interfaceNamePrefix", \.detectLocal.interfaceNamePrefix,
            .takes("with `detectLocalMode` InterfaceNamePrefix"),
            unless: detectLocal(by: "InterfaceNamePrefix")),
        Key(
            "clusterCIDR", \.clusterCIDR,
            .takes("with `detectLocalMode` ClusterCIDR; several ranges of a family are fine"),
            unless: detectLocal(by: "ClusterCIDR")),
    ]

    private static let node: [Key] = [
        Key(
            "nodePortAddresses", \.nodePortAddresses,
            .takes(
                "any mix of `primary`, `localhost`, `all` and ranges, as from kube-proxy 1.37 on; by default `primary`, as in its "
                    + "mode nftables; \(OptionStatement.familyWithoutRange); \(OptionStatement.familyWithoutPrimary) (both "
                    + "where the list has nothing else for the family)")),
        Key("oomScoreAdj", \.oomScoreAdj, .takes("of the process `run`"), zeroIsValue: true),
        Key(
            "conntrack.maxPerCore", \.conntrack.maxPerCore, .takes(""), zeroIsValue: true),
        Key("conntrack.min", \.conntrack.min, .takes(""), zeroIsValue: true),
        Key(
            "conntrack.tcpEstablishedTimeout", \.conntrack.tcpEstablishedTimeout,
            .takes(""), zeroIsValue: true),
        Key(
            "conntrack.tcpCloseWaitTimeout", \.conntrack.tcpCloseWaitTimeout,
            .takes(""), zeroIsValue: true),
        Key("conntrack.tcpBeLiberal", \.conntrack.tcpBeLiberal, .takes("")),
        Key("conntrack.udpTimeout", \.conntrack.udpTimeout, .takes("")),
        Key("conntrack.udpStreamTimeout", \.conntrack.udpStreamTimeout, .takes("")),
        Key(
            "configSyncPeriod", \.configSyncPeriod,
            .none("watches tell of every change; nothing is read again in between")),
        Key("portRange", \.portRange, .none("kube-proxy does not use it either")),
        Key("windowsRunAsService", \.windowsRunAsService, .none(windows)),
    ]

    private static let alwaysProtobuf = "objects are always asked for in protobuf"
    private static let fewRequests =
        "Fairlead holds a few watches and asks for little else; its own back-off spaces that"
    private static let writtenAtOnce = "log lines are written at once"
    private static let oneStream = "all log lines go to standard error"
    private static let noMark = "packets are not marked: masquerade is decided from connection tracking"
    private static let noIPVS = "IPVS is not used; the timeouts of conntrack are what counts"
    private static let windows = "it is for Windows"

    private static func section(
        _ name: String, of section: String, _ chosen: any KeyPath<KubeProxyConfiguration, String> & Sendable
    ) -> @Sendable (KubeProxyConfiguration) -> String? {
        { configuration in
            let chosen = configuration[keyPath: chosen]
            if chosen == section { return nil }
            let mode = configuration.mode.isEmpty ? "without a mode" : "with mode \(configuration.mode)"
            return "\(mode), \(chosen).\(name) counts"
        }
    }

    private static func detectLocal(by mode: String) -> @Sendable (KubeProxyConfiguration) -> String? {
        { $0.detectLocalMode == mode ? nil : "detectLocalMode is \($0.detectLocalMode)" }
    }
}
