import ArgumentParser
import Logging
import NetworkTypes
import ServiceDataplane

/// How sources are told to be in the cluster; kube-proxy's names.
struct DetectionOptions: ParsableArguments {
    /// `--detect-local-mode`.
    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case clusterCIDR = "ClusterCIDR"
        case nodeCIDR = "NodeCIDR"
        case bridgeInterface = "BridgeInterface"
        case interfaceNamePrefix = "InterfaceNamePrefix"
    }

    @Option(
        help: ArgumentHelp(
            "How sources are told to be in the cluster.",
            discussion: """
                ClusterCIDR: by --cluster-cidr; NodeCIDR: by the podCIDRs of this node's Node object; BridgeInterface: by \
                --pod-bridge-interface; InterfaceNamePrefix: by --pod-interface-name-prefix.
                """))
    var detectLocalMode = Mode.clusterCIDR

    @Option(
        help: ArgumentHelp(
            "Ranges of the cluster's pods, separated by commas.",
            discussion: """
                Sources within them are in the cluster: they are never masqueraded on their way to a ClusterIP, and reach \
                external and load balancer addresses without leaving the node.
                """))
    var clusterCidr: String?

    @Option(help: "Bridge that the node's pods are on; with --detect-local-mode BridgeInterface.")
    var podBridgeInterface: String?

    @Option(help: "What the names of pods' interfaces begin with; with --detect-local-mode InterfaceNamePrefix.")
    var podInterfaceNamePrefix: String?

    func validate() throws { _ = try detector() }

    func detector() throws -> LocalDetector {
        switch detectLocalMode {
        case .clusterCIDR:
            return .clusterCIDRs(try CIDR.list(clusterCidr.map { [$0] } ?? [], option: "--cluster-cidr"))
        case .nodeCIDR: return .nodeCIDRs
        case .bridgeInterface:
            return .bridge(try Self.interface(podBridgeInterface, option: "--pod-bridge-interface"))
        case .interfaceNamePrefix:
            let prefix = try Self.interface(podInterfaceNamePrefix, option: "--pod-interface-name-prefix")
            return .interfacePrefix(prefix)
        }
    }

    /// The kernel's rule for interface names; quotes would end the text of a rule, a star is its wildcard.
    private static func interface(_ name: String?, option: String) throws -> String {
        guard let name, !name.isEmpty else {
            throw ValidationError("\(option) is needed with this --detect-local-mode")
        }
        let isName = name.utf8.allSatisfy { (33...126).contains($0) && !"\"/*:\\".utf8.contains($0) }
        guard isName, name.utf8.count <= 15 else {
            throw ValidationError("\(option): \"\(name)\" cannot be the name of an interface")
        }
        return name
    }

    /// Says what a missing range costs.
    func warn(_ logger: Logger) {
        guard detectLocalMode == .clusterCIDR, clusterCidr == nil else { return }
        logger.warning(
            """
            without --cluster-cidr no pod can be told from a client outside: nothing is masqueraded on its way to a \
            ClusterIP, and pods are subject to externalTrafficPolicy Local as clients outside are
            """)
    }
}
