import ArgumentParser
import FairleadTestKit
import NetworkTypes

/// Shows what Services do to connections, in clusters of network namespaces that end with this process.
@main
struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fairlead-lab",
        abstract: "Try Services in small clusters of network namespaces.",
        discussion: """
            Needs the privilege to make network namespaces: root, or `unshare -Urnm --mount-proc -pf --kill-child`. \
            The network of this machine is not touched, and nothing is left behind.
            """,
        subcommands: [DemoCommand.self, BalanceCommand.self], defaultSubcommand: DemoCommand.self)

    /// Ends the command where there is no privilege to do its work.
    static func requirePrivilege() throws {
        guard Capability.canMakeNetworks else {
            throw ValidationError("no privilege to make network namespaces: run as root, or under `unshare -Urnm`")
        }
    }
}
