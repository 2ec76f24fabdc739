import ArgumentParser
import NodeAgent

/// `fairlead run`.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep the kernel's rules in line with the manifests, as a daemon.",
        discussion: """
            Brings the rules in line at the start, then commits each change by itself, as it happens. A file that becomes \
            invalid keeps its last good version in force. SIGTERM or SIGINT ends the daemon and leaves the rules in place. \
            If the file of --config comes to ask for something else, the daemon ends with exit code 1, to be started again.

            \(KubeProxyArguments.help)
            """,
        version: Release.description)

    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var observation: ObservationOptions
    @OptionGroup(title: "Connection tracking") var conntrack: ConntrackOptions
    @OptionGroup(title: "Process") var process: ProxyOptions
    @OptionGroup var log: LogOptions

    @Flag(help: "Remove the rules when the daemon ends.")
    var cleanupOnExit = false

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Own the tables, so that no other program can change them while the daemon runs (Linux 6.9 or later).",
            discussion: "Without it, or where the kernel cannot do it, foreign changes are noticed and repaired."))
    var ownTables = true

    func run() async throws {
        let settings = try Settings(
            file: file, source: source, node: node, log: log, others: [process, observation, conntrack], showsTime: true
        )
        if try process.runsInstead(settings) { return }
        var options = Agent.Options()
        options.ownsTables = ownTables
        options.servesStatusPage = observation.servesStatusPage
        options.cleansUpAtEnd = cleanupOnExit
        options.sourcePatience = observation.sourcePatience
        let agent = Agent(settings, source: try source.choose(settings), options)
        if try await !agent.run() { throw ExitCode.failure }
    }
}
