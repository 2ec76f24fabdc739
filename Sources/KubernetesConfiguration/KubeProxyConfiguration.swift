/// kube-proxy's configuration: `KubeProxyConfiguration` of kubeproxy.config.k8s.io/v1alpha1, as of Kubernetes 1.36.
///
/// Fields have the names, meanings and defaults of the API's; `KubeProxyConfiguration.keys` says of each what it does
/// in Fairlead. As in kube-proxy, a number, text or duration that is zero or empty stands for the default, unless the
/// documentation of a field says otherwise.
public struct KubeProxyConfiguration: Hashable, Sendable {
    /// `featureGates`.
    public var featureGates: [String: Bool] = [:]
    /// `clientConnection`.
    public var clientConnection = ClientConnection()
    /// `logging`.
    public var logging = Logging()
    /// `hostnameOverride`: the Node's name; empty for the host's.
    public var hostnameOverride = ""
    /// `bindAddress`: the node's primary address, unless it is an unspecified one.
    public var bindAddress = "0.0.0.0"
    /// `healthzBindAddress`; nil for the default, empty for no server.
    public var healthzBindAddress: String?
    /// `metricsBindAddress`; nil for the default, empty for no server.
    public var metricsBindAddress: String?
    /// `bindAddressHardFail`.
    public var bindAddressHardFail = false
    /// `enableProfiling`.
    public var enableProfiling = false
    /// `showHiddenMetricsForVersion`.
    public var showHiddenMetricsForVersion = ""
    /// `mode`: empty, `iptables`, `ipvs` or `nftables`.
    public var mode = ""
    /// `iptables`.
    public var iptables = IPTables()
    /// `ipvs`.
    public var ipvs = IPVS()
    /// `nftables`.
    public var nftables = NFTables()
    /// `winkernel`.
    public var winkernel = Winkernel()
    /// `detectLocalMode`.
    public var detectLocalMode = "ClusterCIDR"
    /// `detectLocal`.
    public var detectLocal = DetectLocal()
    /// `clusterCIDR`: ranges, separated by commas.
    public var clusterCIDR = ""
    /// `nodePortAddresses`.
    public var nodePortAddresses: [String] = []
    /// `oomScoreAdj`; 0 is a value.
    public var oomScoreAdj = -999
    /// `conntrack`.
    public var conntrack = Conntrack()
    /// `configSyncPeriod`.
    public var configSyncPeriod = GoDuration(seconds: 900)
    /// `portRange`.
    public var portRange = ""
    /// `windowsRunAsService`.
    public var windowsRunAsService = false

    /// The defaults.
    public init() {}
}

extension KubeProxyConfiguration {
    /// How to reach the API server.
    public struct ClientConnection: Hashable, Sendable {
        /// `kubeconfig`: a path.
        public var kubeconfig = ""
        /// `acceptContentTypes`.
        public var acceptContentTypes = ""
        /// `contentType`.
        public var contentType = "application/vnd.kubernetes.protobuf"
        /// `qps`: requests a second.
        public var qps = 5.0
        /// `burst`: requests at once.
        public var burst = 10
    }

    /// The log.
    public struct Logging: Hashable, Sendable {
        /// `format`: `text` or `json`.
        public var format = "text"
        /// `flushFrequency`.
        public var flushFrequency = FlushFrequency(GoDuration(seconds: 5))
        /// `verbosity`: klog's level.
        public var verbosity = 0
        /// `vmodule`.
        public var vmodule = ModuleVerbosities()
        /// `options.text`.
        public var text = Stream()
        /// `options.json`.
        public var json = Stream()

        /// The options of a format.
        public struct Stream: Hashable, Sendable {
            /// `splitStream`.
            public var splitStream = false
            /// `infoBufferSize`.
            public var infoBufferSize = Quantity("0")
        }
    }

    /// The mode `iptables`.
    public struct IPTables: Hashable, Sendable {
        /// `masqueradeBit`; 0 is a value.
        public var masqueradeBit = 14
        /// `masqueradeAll`.
        public var masqueradeAll = false
        /// `localhostNodePorts`; nil if nothing is said of it.
        public var localhostNodePorts: Bool?
        /// `snatNodeInternalIP`, which is proposed for kube-proxy (kubernetes#138360, KEP-6246); nil if nothing is said of it.
        public var snatNodeInternalIP: Bool?
        /// `syncPeriod`.
        public var syncPeriod = GoDuration(seconds: 30)
        /// `minSyncPeriod`.
        public var minSyncPeriod = GoDuration(seconds: 1)
    }

    /// The mode `ipvs`.
    public struct IPVS: Hashable, Sendable {
        /// `syncPeriod`.
        public var syncPeriod = GoDuration(seconds: 30)
        /// `minSyncPeriod`.
        public var minSyncPeriod = GoDuration(seconds: 1)
        /// `scheduler`.
        public var scheduler = ""
        /// `excludeCIDRs`.
        public var excludeCIDRs: [String] = []
        /// `strictARP`.
        public var strictARP = false
        /// `tcpTimeout`.
        public var tcpTimeout = GoDuration(seconds: 0)
        /// `tcpFinTimeout`.
        public var tcpFinTimeout = GoDuration(seconds: 0)
        /// `udpTimeout`.
        public var udpTimeout = GoDuration(seconds: 0)
    }

    /// The mode `nftables`.
    public struct NFTables: Hashable, Sendable {
        /// `masqueradeBit`; 0 is a value.
        public var masqueradeBit = 14
        /// `masqueradeAll`.
        public var masqueradeAll = false
        /// `syncPeriod`.
        public var syncPeriod = GoDuration(seconds: 30)
        /// `minSyncPeriod`.
        public var minSyncPeriod = GoDuration(seconds: 1)
    }

    /// The mode `kernelspace`, of Windows.
    public struct Winkernel: Hashable, Sendable {
        /// `networkName`.
        public var networkName = ""
        /// `sourceVip`.
        public var sourceVip = ""
        /// `enableDSR`.
        public var enableDSR = false
        /// `rootHnsEndpointName`.
        public var rootHnsEndpointName = ""
        /// `forwardHealthCheckVip`.
        public var forwardHealthCheckVip = false
    }

    /// What `detectLocalMode` needs.
    public struct DetectLocal: Hashable, Sendable {
        /// `bridgeInterface`.
        public var bridgeInterface = ""
        /// `interfaceNamePrefix`.
        public var interfaceNamePrefix = ""
    }

    /// Connection tracking; 0 leaves the kernel's value alone.
    public struct Conntrack: Hashable, Sendable {
        /// `maxPerCore`; 0 is a value.
        public var maxPerCore = 32768
        /// `min`; 0 is a value.
        public var min = 131_072
        /// `tcpEstablishedTimeout`; 0 is a value.
        public var tcpEstablishedTimeout = GoDuration(seconds: 24 * 3600)
        /// `tcpCloseWaitTimeout`; 0 is a value.
        public var tcpCloseWaitTimeout = GoDuration(seconds: 3600)
        /// `tcpBeLiberal`.
        public var tcpBeLiberal = false
        /// `udpTimeout`.
        public var udpTimeout = GoDuration(seconds: 0)
        /// `udpStreamTimeout`.
        public var udpStreamTimeout = GoDuration(seconds: 0)
    }
}

/// What depends on `mode`: kube-proxy has one value of each of these, and reads it from the section of its mode.
extension KubeProxyConfiguration {
    /// Whether everything that goes to a ClusterIP is masqueraded.
    public var masqueradeAll: Bool { mode == "nftables" ? nftables.masqueradeAll : iptables.masqueradeAll }

    /// After how long what failed is tried again; a change that waits for twice as long makes the proxy unhealthy.
    public var syncPeriod: GoDuration {
        switch mode {
        case "nftables": nftables.syncPeriod
        case "ipvs": ipvs.syncPeriod
        default: iptables.syncPeriod
        }
    }

    /// The least time between two commits while changes keep coming.
    public var minSyncPeriod: GoDuration {
        switch mode {
        case "nftables": nftables.minSyncPeriod
        case "ipvs": ipvs.minSyncPeriod
        default: iptables.minSyncPeriod
        }
    }

    /// The section that `masqueradeAll` stands in.
    public var masqueradeSection: String { mode == "nftables" ? "nftables" : "iptables" }

    /// The section that the periods stand in.
    public var periodSection: String { mode.isEmpty ? "iptables" : mode }

    /// Where `/healthz` is served; empty for nowhere.
    public var healthzAddress: String { address(healthzBindAddress, "0.0.0.0", "[::]", port: 10256) }

    /// Where `/metrics` is served; empty for nowhere.
    public var metricsAddress: String { address(metricsBindAddress, "127.0.0.1", "[::1]", port: 10249) }

    /// The default is of the family of `bindAddress`; an address without a port gets the usual one.
    private func address(_ chosen: String?, _ four: String, _ six: String, port: Int) -> String {
        guard let chosen else { return (bindAddress.contains(":") ? six : four) + ":\(port)" }
        if chosen.isEmpty || HostPort.hasPort(chosen) { return chosen }
        return (chosen.contains(":") && !chosen.hasPrefix("[") ? "[\(chosen)]" : chosen) + ":\(port)"
    }
}
