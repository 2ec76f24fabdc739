import ArgumentParser

/// The `fairlead` program.
public struct Fairlead: AsyncParsableCommand {
    /// The version of this source tree.
    public static let version = "0.1.0"

    /// Name, help and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "fairlead",
        abstract: "Kubernetes Services on a Linux node: what kube-proxy does, as nftables data.",
        discussion: """
            From Services, EndpointSlices, Nodes and ServiceCIDRs, fairlead computes the state of two nftables tables, \
            'ip fairlead' and 'ip6 fairlead', and programs the kernel over netlink. Other tables are never touched.

            See what it would do:   fairlead render --manifests DIR --node-name NODE --cluster-cidr CIDR
            Do it once:             fairlead apply  --manifests DIR --node-name NODE --cluster-cidr CIDR
            Keep doing it:          fairlead run    --manifests DIR --node-name NODE --cluster-cidr CIDR

            Exit codes: 0 done; 1 failed, nothing was changed; 64 wrong usage. 'diff' differs: 0 nothing to change, \
            1 something to change, 2 failed.
            """,
        version: version,
        subcommands: [Render.self, Diff.self, Apply.self, Run.self, Cleanup.self])

    /// Makes the command; its parser fills it.
    public init() {}
}
