import ArgumentParser
import NodeAgent

/// How sources are told to be in the cluster; kube-proxy's names.
struct DetectionOptions: ParsableArguments, KubeProxyOptions {
    @Option(
        help: ArgumentHelp(
            "How sources are told to be in the cluster. (default: ClusterCIDR)",
            discussion: """
                ClusterCIDR: by --cluster-cidr; NodeCIDR: by the podCIDRs of this node's Node object; BridgeInterface: by \
                --pod-bridge-interface; InterfaceNamePrefix: by --pod-interface-name-prefix.
                """))
    var detectLocalMode: LocalMode?

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

    var given: [(name: String, value: String)] {
        var given: [(name: String, value: String)] = []
        given.add("detect-local-mode", detectLocalMode?.rawValue)
        given.add("cluster-cidr", clusterCidr)
        given.add("pod-bridge-interface", podBridgeInterface)
        given.add("pod-interface-name-prefix", podInterfaceNamePrefix)
        return given
    }
}

extension LocalMode: ExpressibleByArgument {}
