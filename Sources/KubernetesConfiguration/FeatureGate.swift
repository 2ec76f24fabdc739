/// A feature gate of kube-proxy 1.36 or 1.37 (`featureGates`, `--feature-gates`) that has to do with what Fairlead does.
///
/// kube-proxy knows every gate of Kubernetes, and ends for a name that is none. Fairlead heeds few, and says of each other that
/// is given why it has no effect.
public struct FeatureGate: Sendable {
    /// Its name.
    public let name: String
    /// What it does in Fairlead.
    public let effect: ConfigurationEffect

    private init(_ name: String, _ effect: ConfigurationEffect) {
        self.name = name
        self.effect = effect
    }

    /// What is said of the key `featureGates` as a whole.
    static let summary =
        "each gate has its line [below](#feature-gates); a flag changes only the gates that it names, and leaves the file's others"

    private static let always = "what it stands for is always so"
    private static let windows = "it is for Windows"
    private static let logs = "it is of kube-proxy's logging library"
    private static let groups = "it stands for a group of gates, and Fairlead heeds none of a group"

    /// `spec.externalIPs` of Services are served. On by default in Kubernetes 1.36, off announced for 1.40 (KEP-5707).
    public static let externalIPs = FeatureGate(
        "AllowServiceExternalIPs",
        .takes("`false`: `externalIPs` of Services are not served, as with `--no-external-ips`; `true` is the default"))

    /// Node ports are on 127.0.0.1 where `nodePortAddresses` says so. Off by default in Kubernetes 1.37, on from 1.38 on
    /// (KEP-6032).
    public static let localhostNodePorts = FeatureGate(
        "KubeProxyNFTablesLocalhostNodePorts",
        .takes(
            "`true`, and `localhost` or a range with 127.0.0.1 in `nodePortAddresses`: as `--localhost-nodeports`; `false` is "
                + "the default, also where kube-proxy's is `true` (from 1.38 on)"))

    /// `/statusz` is served. On by default in Kubernetes 1.36 (KEP-4827).
    public static let statusPage = FeatureGate(
        "ComponentStatusz", .takes("`false`: there is no `/statusz` on the metrics address; `true` is the default"))

    /// `/flagz` is served. On by default in Kubernetes 1.36 (KEP-4828).
    public static let flagPage = FeatureGate(
        "ComponentFlagz", .takes("`false`: there is no `/flagz` on the metrics address; `true` is the default"))

    /// The gates, by name.
    public static let all: [FeatureGate] = [
        FeatureGate("AllAlpha", .none(groups)),
        FeatureGate("AllBeta", .none(groups)),
        externalIPs,
        flagPage,
        statusPage,
        FeatureGate("ContextualLogging", .none(logs)),
        FeatureGate("KubeProxyDrainingTerminatingNodes", .none(always)),
        FeatureGate(
            "KubeProxyIPVS",
            .none("IPVS is not used; without the gate kube-proxy is to refuse mode ipvs from 1.40 on")),
        localhostNodePorts,
        FeatureGate("LoggingAlphaOptions", .none(logs)),
        FeatureGate("LoggingBetaOptions", .none(logs)),
        FeatureGate("NFTablesNetlink", .none(always)),
        FeatureGate("NFTablesProxyMode", .none(always)),
        FeatureGate("PreferSameTrafficDistribution", .none(always)),
        FeatureGate("ServiceTrafficDistribution", .none(always)),
        FeatureGate("TopologyAwareHints", .none(always)),
        FeatureGate("WinDSR", .none(windows)),
        FeatureGate("WinOverlay", .none(windows)),
    ]

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// Why a gate of that name has no effect, nil if it has one.
    static func objection(to name: String) -> String? {
        guard let gate = byName[name] else { return "Fairlead knows no gate of this name" + misspelt(name) }
        switch gate.effect {
        case .takes: return nil
        case .none(let reason): return reason
        }
    }

    /// A protection that is misspelt protects nobody: says so where the name is nearly that of a gate that has an effect.
    private static func misspelt(_ name: String) -> String {
        let heeded = all.filter { if case .takes = $0.effect { true } else { false } }.map(\.name)
        let near = heeded.first { $0.lowercased() == name.lowercased() }
        return near.map { "; \($0) is one" } ?? ""
    }
}

extension KubeProxyConfiguration {
    /// Whether `spec.externalIPs` of Services are to be served.
    public var allowsExternalIPs: Bool { featureGates[FeatureGate.externalIPs.name] ?? true }

    /// Whether node ports are to be on 127.0.0.1 where `nodePortAddresses` has it.
    public var allowsLocalhostNodePorts: Bool { featureGates[FeatureGate.localhostNodePorts.name] ?? false }

    /// Whether `/statusz` is to be served.
    public var tellsStatus: Bool { featureGates[FeatureGate.statusPage.name] ?? true }

    /// Whether `/flagz` is to be served.
    public var tellsFlags: Bool { featureGates[FeatureGate.flagPage.name] ?? true }
}
