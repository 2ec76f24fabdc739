import KubernetesConfiguration
import KubernetesModel
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Telemetry

extension KubeProxyConfiguration.Conntrack {
    /// What to set.
    package var settings: ConntrackSettings {
        func positive(_ value: Int) -> Int? { value > 0 ? value : nil }
        var settings = ConntrackSettings()
        settings.maximumPerCore = positive(maxPerCore)
        settings.minimum = positive(min)
        settings.tcpEstablishedTimeout = positive(tcpEstablishedTimeout.seconds)
        settings.tcpCloseWaitTimeout = positive(tcpCloseWaitTimeout.seconds)
        settings.udpTimeout = positive(udpTimeout.seconds)
        settings.udpStreamTimeout = positive(udpStreamTimeout.seconds)
        settings.tcpBeLiberal = tcpBeLiberal
        return settings
    }
}

/// How sources are told to be in the cluster (`--detect-local-mode`).
package enum LocalMode: String, CaseIterable {
    /// By the ranges of pods.
    case clusterCIDR = "ClusterCIDR"
    /// By the podCIDRs of this node's Node object.
    case nodeCIDR = "NodeCIDR"
    /// By the bridge that they are on.
    case bridgeInterface = "BridgeInterface"
    /// By the names of their interfaces.
    case interfaceNamePrefix = "InterfaceNamePrefix"
}

extension KubeProxyConfiguration {
    /// How sources are told to be in the cluster.
    package var localDetector: LocalDetector {
        switch LocalMode(rawValue: detectLocalMode) {
        case .clusterCIDR, nil: .clusterCIDRs(CIDR.list([clusterCIDR]))
        case .nodeCIDR: .nodeCIDRs
        case .bridgeInterface: .bridge(detectLocal.bridgeInterface)
        case .interfaceNamePrefix: .interfacePrefix(detectLocal.interfaceNamePrefix)
        }
    }
}

extension KubeProxyConfiguration {
    /// Where health is told.
    package var healthzPlaces: [ListenAddress] { ListenAddress.parse(healthzAddress, defaultPort: 10256) ?? [] }

    /// Where metrics are told.
    package var metricsPlaces: [ListenAddress] { ListenAddress.parse(metricsAddress, defaultPort: 10249) ?? [] }
}

extension CIDR {
    /// The ranges among these texts, each of which may be several separated by commas; blanks around them are fine.
    package static func list(_ values: [String]) -> [CIDR] {
        values.flatMap { $0.split(separator: ",") }.compactMap { CIDR(String($0).trimmingBlanks) }
    }
}
