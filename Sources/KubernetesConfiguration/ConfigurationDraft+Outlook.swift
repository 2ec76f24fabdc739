/// What becomes of a configuration where kube-proxy is replaced, and in later versions of kube-proxy.
extension ConfigurationDraft {
    /// One line for each key that Fairlead, or a later version of kube-proxy, reads otherwise than kube-proxy 1.36 does. Each
    /// names the place of its key, and what to set so that nothing changes.
    ///
    /// Sources: KEP-5343 (the default mode), KEP-5495 (IPVS), KEP-6032 (node ports on loopback addresses), the change logs of
    /// Kubernetes 1.37 and of 1.38 up to alpha.2.
    public var outlook: [ConfigurationError] { [modeOutlook, nodePortOutlook, localhostOutlook].flatMap { $0 } }

    private var modeOutlook: [ConfigurationError] {
        switch configuration.mode {
        case "":
            var text =
                "is not set: kube-proxy means iptables by that, says so in a warning from 1.37 on, and is to mean nftables from "
                + "1.40 on (KEP-5343)"
            if configuration.sectionsDiffer {
                text +=
                    "; masqueradeAll and the periods then come from another section, so set it: iptables keeps what holds "
                    + "now"
            }
            return [message("mode", text)]
        case "ipvs":
            return [
                message(
                    "mode",
                    "kube-proxy has deprecated ipvs: an Event tells so from 1.35 on, the gate KubeProxyIPVS (1.37) is to go off in "
                        + "1.40 and the mode in 1.43 (KEP-5495); Fairlead needs no IPVS, and 'kube-proxy --cleanup' removes its rules"
                )
            ]
        default: return []
        }
    }

    private var nodePortOutlook: [ConfigurationError] {
        guard !says("nodePortAddresses"), configuration.mode != "nftables" else { return [] }
        return [
            message(
                "nodePortAddresses",
                "is not set: kube-proxy's mode \(configuration.mode.isEmpty ? "iptables" : configuration.mode) has node ports on "
                    + "all addresses, Fairlead on primary ones, as mode nftables does; all keeps them")
        ]
    }

    private var localhostOutlook: [ConfigurationError] {
        var lines: [ConfigurationError] = []
        let isIPTables = configuration.mode.isEmpty || configuration.mode == "iptables"
        if isIPTables, configuration.iptables.localhostNodePorts == nil {
            lines.append(
                message(
                    "iptables.localhostNodePorts",
                    "is not set: kube-proxy's mode iptables has node ports on 127.0.0.1, Fairlead where it is asked to; true keeps "
                        + "them"))
        }
        let gate = FeatureGate.localhostNodePorts.name
        if configuration.mode == "nftables", configuration.featureGates[gate] == nil, configuration.namesLoopback {
            lines.append(
                message(
                    "nodePortAddresses",
                    "has loopback addresses: kube-proxy serves them in mode nftables where the gate \(gate) is on, which is the "
                        + "default from 1.38 on; Fairlead where the gate is given as true"))
        }
        return lines
    }
}

extension KubeProxyConfiguration {
    /// Whether modes iptables and nftables would read other values from their sections.
    fileprivate var sectionsDiffer: Bool {
        iptables.masqueradeAll != nftables.masqueradeAll || iptables.syncPeriod != nftables.syncPeriod
            || iptables.minSyncPeriod != nftables.minSyncPeriod
    }

    /// Whether `nodePortAddresses` names loopback addresses: `localhost`, or a range of them.
    fileprivate var namesLoopback: Bool {
        nodePortAddresses.contains { $0 == "localhost" || $0.hasPrefix("127.") || $0.hasPrefix("::1/") }
    }
}
