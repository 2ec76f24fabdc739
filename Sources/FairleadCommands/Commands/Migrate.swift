import ArgumentParser
import KubernetesConfiguration
import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes
import NodeAgent
import ServiceDataplane
import Terminal

/// `fairlead migrate`.
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take over from kube-proxy: say what is left of it, and remove its rules when asked.",
        discussion: """
            Start 'fairlead run' beside kube-proxy: new connections go by Fairlead's rules, established ones keep their \
            translation, which lives in conntrack. Then stop kube-proxy, and remove its rules. Only kube-proxy's own \
            tables and chains are removed. Exit code: 0 nothing of kube-proxy is there, 1 something is, 2 failed.
            """)

    @Flag(help: "Remove kube-proxy's tables and chains, in one transaction.")
    var removeKubeProxyRules = false

    @Flag(help: "Remove them even if kube-proxy runs, or serves what Fairlead does not.")
    var force = false

    @Option(help: "Where the daemon tells its metrics, and its health check ports: http://ADDRESS:PORT.")
    var server = "http://127.0.0.1:10249"

    @Option(
        help: ArgumentHelp(
            "kube-proxy's configuration file: says what Fairlead and later versions of kube-proxy read otherwise.",
            discussion: "Says it before anything else, and changes nothing of the rest."))
    var config: String?

    @OptionGroup var log: LogOptions

    private static let failed = ExitCode(2)

    func run() async throws {
        let logger = log.logger()
        if let config {
            do throws(ConfigurationError) {
                for line in try ConfigurationDraft(file: config).outlook {
                    StandardOutput().write("configuration: \(line)\n")
                }
            } catch {
                logger.error("\(error)")
                throw Self.failed
            }
        }
        guard let kernel = Wiring.kernel(logger) else { throw Self.failed }
        // Who asks nobody sends no packet.
        let own = DataplaneOptions().tableName
        let isServing = (try? kernel.foreignRules())?.tables.contains { $0.name == own } ?? false
        let ports = isServing ? await Firewall.healthCheckPorts(server) : nil
        let outcome: ExitCode
        do throws(NetlinkError) { outcome = try migrate(kernel, ports, logger) } catch {
            logger.error("\(error)")
            throw Self.failed
        }
        if outcome != .success { throw outcome }
    }

    private func migrate(
        _ kernel: NftablesKernel, _ ports: [UInt16: Set<IPFamily>]?, _ logger: Logger
    ) throws(NetlinkError) -> ExitCode {
        let takeover = try Takeover(kernel)
        try reportFirewall(kernel, ports, takeover)
        takeover.report()
        if takeover.isDone { return .success }
        guard removeKubeProxyRules else { return ExitCode(1) }
        if let obstacle = takeover.obstacle, !force {
            logger.error("\(obstacle); nothing was removed (--force removes all the same)")
            return Self.failed
        }
        try kernel.remove(takeover.remnants.removal, expecting: takeover.generation)
        StandardOutput().write("removed kube-proxy's rules\n")
        return takeover.isBeyondReach ? ExitCode(1) : .success
    }
}

extension Migrate {
    /// Says which chains would drop what kube-proxy's rules may have been admitting so far.
    private func reportFirewall(
        _ kernel: NftablesKernel, _ ports: [UInt16: Set<IPFamily>]?, _ takeover: Takeover
    ) throws(NetlinkError) {
        guard !takeover.families.isEmpty else { return }
        let look = try FirewallLook(kernel, asWithoutKubeProxy: true)
        let report = FirewallReport(look, targets: look.installedTargets(), ports: ports)
        if !report.items.isEmpty || (ports == nil && !takeover.isDone) {
            StandardOutput().write(report.page(knowsPorts: ports != nil))
        }
    }
}

/// How far the way from kube-proxy to Fairlead is gone on this node.
struct Takeover {
    /// kube-proxy's rules.
    let remnants: KubeProxyRules
    /// The generation that they were found at.
    let generation: UInt32
    /// The processes of kube-proxy that can be seen.
    let processes: [Int]
    /// What kube-proxy has where Fairlead cannot remove it, each with what to do.
    let elsewhere: [String]
    /// The families in which Fairlead has its tables.
    let families: [IPFamily]
    /// What kube-proxy's nftables mode serves and Fairlead does not.
    let unserved: [String]

    init(_ kernel: NftablesKernel) throws(NetlinkError) {
        let rules = try kernel.foreignRules()
        remnants = KubeProxyRules(in: rules)
        generation = rules.generation
        processes = ProcFiles.processes(named: KubeProxyRules.tableName)
        elsewhere = Self.outsideNftables()
        let own = DataplaneOptions().tableName
        families = rules.tables.filter { $0.name == own }.map(\.family)
        var unserved: [String] = []
        for table in remnants.tables { unserved += try Self.unserved(table, own: own, kernel) }
        self.unserved = unserved
    }

    private static func unserved(
        _ table: ForeignRules.Table, own: String, _ kernel: NftablesKernel
    ) throws(NetlinkError) -> [String] {
        let ownTable = ForeignRules.Table(family: table.family, name: own)
        let sets = try kernel.setNames(in: ownTable)
        var result: [String] = []
        for kind in KubeProxyFrontends.allCases {
            var missing = try kernel.keys(ofSet: kind.map, in: table)
            for set in kind.sets.intersection(sets) where !missing.isEmpty {
                missing.subtract(try kernel.keys(ofSet: set, in: ownTable))
            }
            result += missing.map { kind.text($0, table.family) }.sorted()
        }
        return result
    }

    private static func outsideNftables() -> [String] {
        var result: [String] = []
        for (file, program) in [("ip_tables_names", "iptables-legacy"), ("ip6_tables_names", "ip6tables-legacy")] {
            guard ProcFiles.lines("/proc/net/\(file)").contains("nat") else { continue }
            result.append(
                "\(program) is in use; its rules cannot be seen from here: if '\(program)-save' shows chains "
                    + "KUBE-…, 'kube-proxy --cleanup' removes them")
        }
        // Three lines of heading.
        if ProcFiles.lines("/proc/net/ip_vs").count > 3 {
            result.append("IPVS has virtual servers: if they are kube-proxy's, 'kube-proxy --cleanup' removes them")
        }
        return result
    }

    /// Whether nothing of kube-proxy is there.
    var isDone: Bool { remnants.isEmpty && processes.isEmpty && elsewhere.isEmpty }

    /// Whether something stays that Fairlead cannot remove.
    var isBeyondReach: Bool { !processes.isEmpty || !elsewhere.isEmpty }

    /// Why removing kube-proxy's rules now would hurt; nil if it would not.
    var obstacle: String? {
        if families.isEmpty { return "Fairlead has no rules on this node yet: start 'fairlead run' first" }
        if let missing = remnants.tables.first(where: { !families.contains($0.family) }) {
            return "Fairlead has no table of the family \(missing.family.nftName) yet"
        }
        if !processes.isEmpty { return "kube-proxy is running and would write its rules again: stop it first" }
        if !unserved.isEmpty { return "kube-proxy's rules serve what Fairlead does not" }
        return nil
    }

    /// Prints what was found, and what to do next.
    func report() {
        let stdout = StandardOutput()
        for process in processes { stdout.write("kube-proxy: runs as process \(process)\n") }
        for line in remnants.summary { stdout.write("kube-proxy: \(line)\n") }
        for line in elsewhere { stdout.write("elsewhere: \(line)\n") }
        for family in families { stdout.write("fairlead: table \(family.nftName) \(DataplaneOptions().tableName)\n") }
        for frontend in unserved.prefix(20) { stdout.write("served by kube-proxy only: \(frontend)\n") }
        if unserved.count > 20 { stdout.write("served by kube-proxy only: \(unserved.count - 20) more\n") }
        let next =
            if isDone {
                families.isEmpty ? "nothing of kube-proxy is here" : "nothing of kube-proxy is left"
            } else if let obstacle {
                obstacle
            } else if remnants.isEmpty {
                "see above what is left"
            } else {
                "fairlead migrate --remove-kube-proxy-rules"
            }
        stdout.write("\(isDone ? "done" : "next"): \(next)\n")
    }
}
