/// A flag of kube-proxy 1.36 on Linux.
public struct KubeProxyFlag: Sendable {
    /// What a flag is about.
    public enum Meaning: Hashable, Sendable {
        /// A key of the configuration; its path.
        case key(String)
        /// A key that stands in the section of the mode; the key's name.
        case keyOfMode(String)
        /// Something that the configuration has no key for.
        case own(ConfigurationEffect)
    }

    /// The name, without dashes before it. kube-proxy takes `_` for `-`.
    public let name: String
    /// Whether it may stand without a value, which then is true.
    public let isBoolean: Bool
    /// What it is about.
    public let meaning: Meaning

    /// What it does in Fairlead.
    public var effect: ConfigurationEffect {
        switch meaning {
        case .own(let effect): effect
        case .key(let path): KubeProxyConfiguration.key(path)?.effect ?? .none("")
        case .keyOfMode: .takes("")
        }
    }

    /// Whether an empty value is as none: for kube-proxy's texts and lists. Numbers, durations and switches have no empty value,
    /// and an empty address of a server means that there is none.
    public var isAbsentIfEmpty: Bool {
        switch meaning {
        case .key("healthzBindAddress"), .key("metricsBindAddress"): false
        case .key(let path): KubeProxyConfiguration.key(path)?.isOfTexts ?? false
        case .keyOfMode: false
        case .own: ["config", "log-backtrace-at", "log-dir", "log-file", "master", "write-config-to"].contains(name)
        }
    }

    private init(_ name: String, _ meaning: Meaning, isBoolean: Bool = false) {
        self.name = name
        self.meaning = meaning
        self.isBoolean = isBoolean
    }

    private static func key(_ name: String, _ path: String, isBoolean: Bool = false) -> KubeProxyFlag {
        KubeProxyFlag(name, .key(path), isBoolean: isBoolean)
    }

    private static func takes(_ name: String, _ how: String, isBoolean: Bool = false) -> KubeProxyFlag {
        KubeProxyFlag(name, .own(.takes(how)), isBoolean: isBoolean)
    }

    private static func klog(_ name: String, isBoolean: Bool = false) -> KubeProxyFlag {
        KubeProxyFlag(name, .own(.none("log lines go to standard error and nowhere else")), isBoolean: isBoolean)
    }

    /// What Go's flags take for a boolean: `true`, `t`, `1` and the like; nil for anything else.
    public static func boolean(_ text: String) -> Bool? { Bool.read(flag: text) }

    /// The flag of that name, in which `_` stands for `-`.
    public static func named(_ name: String) -> KubeProxyFlag? { byName[name.replacing("_", with: "-")] }

    /// The flag for a key, with its dashes; the key itself if there is none.
    static func forKey(_ path: String) -> String {
        all.first { $0.meaning == .key(path) }.map { "--\($0.name)" } ?? path
    }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// Every flag, by name.
    public static let all: [KubeProxyFlag] = [
        klog("add-dir-header", isBoolean: true),
        klog("alsologtostderr", isBoolean: true),
        key("bind-address", "bindAddress"),
        key("bind-address-hard-fail", "bindAddressHardFail", isBoolean: true),
        takes("cleanup", "as `fairlead cleanup`, then ends", isBoolean: true),
        key("cluster-cidr", "clusterCIDR"),
        takes("config", "the configuration file; flags win over it"),
        key("config-sync-period", "configSyncPeriod"),
        key("conntrack-max-per-core", "conntrack.maxPerCore"),
        key("conntrack-min", "conntrack.min"),
        key("conntrack-tcp-be-liberal", "conntrack.tcpBeLiberal", isBoolean: true),
        key("conntrack-tcp-timeout-close-wait", "conntrack.tcpCloseWaitTimeout"),
        key("conntrack-tcp-timeout-established", "conntrack.tcpEstablishedTimeout"),
        key("conntrack-udp-timeout", "conntrack.udpTimeout"),
        key("conntrack-udp-timeout-stream", "conntrack.udpStreamTimeout"),
        key("detect-local-mode", "detectLocalMode"),
        key("feature-gates", "featureGates"),
        key("healthz-bind-address", "healthzBindAddress"),
        takes("healthz-port", "0: no server; else the port of `--healthz-bind-address` if that has none"),
        takes("help", "shows Fairlead's options", isBoolean: true),
        key("hostname-override", "hostnameOverride"),
        takes("init-only", "sets up connection tracking, which needs privileges, then ends", isBoolean: true),
        key("iptables-localhost-nodeports", "iptables.localhostNodePorts", isBoolean: true),
        key("iptables-masquerade-bit", "iptables.masqueradeBit"),
        KubeProxyFlag("iptables-min-sync-period", .keyOfMode("minSyncPeriod")),
        KubeProxyFlag("iptables-sync-period", .keyOfMode("syncPeriod")),
        key("ipvs-exclude-cidrs", "ipvs.excludeCIDRs"),
        key("ipvs-min-sync-period", "ipvs.minSyncPeriod"),
        key("ipvs-scheduler", "ipvs.scheduler"),
        key("ipvs-strict-arp", "ipvs.strictARP", isBoolean: true),
        key("ipvs-sync-period", "ipvs.syncPeriod"),
        key("ipvs-tcp-timeout", "ipvs.tcpTimeout"),
        key("ipvs-tcpfin-timeout", "ipvs.tcpFinTimeout"),
        key("ipvs-udp-timeout", "ipvs.udpTimeout"),
        key("kube-api-burst", "clientConnection.burst"),
        key("kube-api-content-type", "clientConnection.contentType"),
        key("kube-api-qps", "clientConnection.qps"),
        key("kubeconfig", "clientConnection.kubeconfig"),
        klog("log-backtrace-at"),
        klog("log-dir"),
        klog("log-file"),
        klog("log-file-max-size"),
        key("log-flush-frequency", "logging.flushFrequency"),
        key("log-json-info-buffer-size", "logging.options.json.infoBufferSize"),
        key("log-json-split-stream", "logging.options.json.splitStream", isBoolean: true),
        key("log-text-info-buffer-size", "logging.options.text.infoBufferSize"),
        key("log-text-split-stream", "logging.options.text.splitStream", isBoolean: true),
        key("logging-format", "logging.format"),
        klog("logtostderr", isBoolean: true),
        KubeProxyFlag("masquerade-all", .keyOfMode("masqueradeAll"), isBoolean: true),
        takes("master", "the API server's address, in place of the kubeconfig's"),
        key("metrics-bind-address", "metricsBindAddress"),
        takes("metrics-port", "0: no server; else the port of `--metrics-bind-address` if that has none"),
        key("nodeport-addresses", "nodePortAddresses"),
        klog("one-output", isBoolean: true),
        key("oom-score-adj", "oomScoreAdj"),
        key("pod-bridge-interface", "detectLocal.bridgeInterface"),
        key("pod-interface-name-prefix", "detectLocal.interfaceNamePrefix"),
        key("profiling", "enableProfiling", isBoolean: true),
        key("proxy-mode", "mode"),
        key("show-hidden-metrics-for-version", "showHiddenMetricsForVersion"),
        klog("skip-headers", isBoolean: true),
        klog("skip-log-headers", isBoolean: true),
        klog("stderrthreshold"),
        key("v", "logging.verbosity"),
        takes("version", "prints Fairlead's version, then ends", isBoolean: true),
        key("vmodule", "logging.vmodule"),
        takes("write-config-to", "writes the configuration in force to a file, then ends"),
    ]
}

extension ConfigurationDraft {
    /// Takes what kube-proxy's flags were given, the last of each name, in place of what the file says.
    ///
    /// - Parameter flags: names without dashes, and values. Those that the configuration has no key for are passed over,
    ///   but for the ports.
    /// - Throws: if a value is invalid.
    public mutating func apply(_ flags: [(name: String, value: String)]) throws(ConfigurationError) {
        // The mode says which section others go to; ports complete addresses.
        for (name, value) in flags where name == "proxy-mode" { try set("mode", flag: "--proxy-mode", to: value) }
        for (name, value) in flags {
            switch KubeProxyFlag.named(name)?.meaning {
            case .own(.none(let reason)):
                inertFlags.append(ConfigurationError("--\(name)", "has no effect: \(reason)"))
            case .key("mode"), .own, nil: continue
            case .key(let path): try set(path, flag: "--\(name)", to: value)
            case .keyOfMode(let key): try set(path(ofModeKey: key), flag: "--\(name)", to: value)
            }
        }
        for (name, value) in flags {
            switch name {
            case "healthz-port":
                try setPort(value, of: "healthzBindAddress", configuration.healthzBindAddress, flag: name)
            case "metrics-port":
                try setPort(value, of: "metricsBindAddress", configuration.metricsBindAddress, flag: name)
            default: continue
            }
        }
    }

    /// Where kube-proxy puts the value of its only flag for something that each mode has a section for. With mode ipvs,
    /// the flag for iptables is not the one that counts.
    private func path(ofModeKey key: String) -> String {
        configuration.mode == "nftables" ? "nftables.\(key)" : "iptables.\(key)"
    }

    private mutating func setPort(
        _ text: String, of key: String, _ address: String?, flag: String
    ) throws(ConfigurationError) {
        guard let port = Int(text), (0...65535).contains(port) else {
            throw ConfigurationError("--\(flag)", "must be 0 to 65535")
        }
        if port == 0 {
            try set(key, flag: "--\(flag)", to: "")
        } else if let address, !address.isEmpty, !HostPort.hasPort(address) {
            let host = address.contains(":") && !address.hasPrefix("[") ? "[\(address)]" : address
            try set(key, flag: "--\(flag)", to: "\(host):\(port)")
        }
    }
}
