import ArgumentParser
import CLinux
import NodeAgent
import Terminal

/// The `fairlead` program.
public struct Fairlead: AsyncParsableCommand {
    /// Name, help and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "fairlead",
        abstract: "Kubernetes Services on a Linux node: what kube-proxy does, as nftables data.",
        discussion: """
            From Services, EndpointSlices, Nodes and ServiceCIDRs, fairlead computes the state of two nftables tables, \
            'ip fairlead' and 'ip6 fairlead', and programs the kernel over netlink. Other tables are never touched.

            See what it would do:   fairlead render --manifests DIR --node-name NODE --cluster-cidr CIDR
            Ask it why:             fairlead explain --manifests DIR --node NODE --from external --to ADDRESS:PORT
            Ask what will hurt:     fairlead advise --manifests DIR
            Do it once:             fairlead apply  --manifests DIR --node-name NODE --cluster-cidr CIDR
            Keep doing it:          fairlead run    --manifests DIR --node-name NODE --cluster-cidr CIDR
            See how that goes:      fairlead status

            Exit codes: 0 done; 1 failed, nothing was changed; 64 wrong usage. 'diff' differs: 0 nothing to change, \
            1 something to change, 2 failed; 'explain': 0 reaches an endpoint, 1 does not, 2 failed; 'advise': 0 nothing \
            found, 1 something, 2 failed; 'firewall' and 'migrate' the same; 'status': 0 in line, 1 not, 2 no answer.
            """,
        version: Release.description,
        subcommands: [
            Render.self, Diff.self, Explain.self, Advise.self, Apply.self, Run.self, Status.self, LBPool.self,
            Cleanup.self, Migrate.self, Firewall.self,
        ])

    /// Makes the command; its parser fills it.
    public init() {}

    /// Sets up the process for what its arguments ask for. To be called while it has one thread.
    public static func prepareProcess() {
        let arguments = KubeProxyArguments.translate(Array(CommandLine.arguments.dropFirst()))
        guard arguments.first == "run" else { return }
        // What runs for long shares memory between its threads; what ends soon is faster if each has its own.
        fl_share_memory()
        if !ProxyOptions.endsAtOnce(arguments) { _ = fl_keep_capabilities(Privileges.kept) }
    }

    /// Parses the arguments of the process, runs the command and ends the process with its exit code.
    ///
    /// Wrong usage is one line on standard error, so that logs stay readable, and says where help is.
    public static func runProcess() async -> Never {
        do {
            var command = try parseAsRoot(KubeProxyArguments.translate(Array(CommandLine.arguments.dropFirst())))
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            exit()
        } catch {
            let error = (error as? UsageError).map { ValidationError($0.description) } ?? error
            let code = exitCode(for: error)
            guard code == .validationFailure else { exit(withError: error) }
            let names = configuration.subcommands.map { $0._commandName }
            let words = CommandLine.arguments.dropFirst().prefix(1).filter { names.contains($0) }
            let help = (["fairlead"] + words + ["--help"]).joined(separator: " ")
            let message = message(for: error).split(separator: "\n").first ?? "wrong usage"
            StandardError.write("error: \(message); see '\(help)'\n")
            exit(withError: code)
        }
    }
}
