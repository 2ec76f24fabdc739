import ArgumentParser
import FairleadTestKit
import Glibc
import NetworkTypes

/// `fairlead-lab demo`: what each traffic policy does to connections.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Apply sample Services to a small cluster and try connections.")

    @Option(help: "The fairlead executable. Default: FAIRLEAD_BINARY, else the one next to this program.")
    var fairlead: String?

    @Option(help: "The directory of the samples.")
    var samples = "docs/samples"

    @Option(help: "Connections for each line of the table.")
    var tries = 24

    @Flag(name: .customLong("ipv6"), help: "Connect by IPv6 instead of IPv4.")
    var usesIPv6 = false

    func validate() throws {
        if !(1...500).contains(tries) { throw ValidationError("--tries: from 1 to 500") }
    }

    func run() async throws {
        try LabCommand.requirePrivilege()
        let paper = Paper(hasColour: isatty(1) == 1 && getenv("NO_COLOR") == nil)
        let command = if let fairlead { FairleadCommand(path: fairlead) } else { try FairleadCommand() }
        let start = ContinuousClock.now
        let cluster = try await ClusterTopology.make()
        let raised = (ContinuousClock.now - start).formatted
        paper.line("A client, a router, two nodes and seven pods, each in a network namespace of its own (\(raised)).")
        let arguments = ["apply"] + FairleadCommand.clusterArguments(manifests: samples)
        let result = try await command.run(arguments, in: cluster.node1.namespace).requireSuccess()
        paper.line("On node1: fairlead apply --manifests \(samples) --node-name node1 --cluster-cidr …")
        paper.line(result.standardOutput.trimmed)
        let tour = Tour(cluster: cluster, family: usesIPv6 ? .ipv6 : .ipv4, tries: tries, paper: paper)
        for exhibit in Exhibit.all { try await tour.show(exhibit) }
        try await DirectReturnTour(command: command, family: tour.family, tries: tries, paper: paper).show()
        paper.line("")
        let node1 = cluster.node1.address(tour.family)
        paper.line("node1 is \(node1); pods local-* are on it, pods remote-* on node2. \(tries) connections a line.")
    }
}

extension String {
    /// Without white space at its end.
    fileprivate var trimmed: String { String(reversed().drop { $0.isWhitespace }.reversed()) }
}

extension Duration {
    /// Whole milliseconds, as text.
    fileprivate var formatted: String {
        "\(components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000) ms"
    }
}
