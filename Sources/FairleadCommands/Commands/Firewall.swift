import ArgumentParser
import Logging
import NetlinkTransport
import NetworkTypes
import NodeAgent
import Telemetry
import Terminal

/// `fairlead firewall`.
struct Firewall: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say which other programs' chains may drop what Fairlead serves, and what admits it.",
        discussion: """
            Walks packets from outside to endpoints of Services, and to health check ports, through the chains of other \
            tables, and names each chain that would drop them, with the commands for iptables, ufw, firewalld or nft that \
            admit them. Reads only: no table of another program is ever changed. Endpoints are those of Fairlead's own \
            tables; the daemon tells its health check ports.

            Exit code: 0 nothing is in the way; 1 something may be; 2 failed.
            """)

    @Flag(help: "Print the commands and nothing else.")
    var commands = false

    @Option(help: "The cluster's pod ranges, for ufw and firewalld, separated by commas.")
    var clusterCIDR: String?

    @Option(help: "Where the daemon tells its metrics: http://ADDRESS:PORT.")
    var server = "http://127.0.0.1:10249"

    @OptionGroup var log: LogOptions

    private static let failed = ExitCode(2)

    func validate() throws {
        if StatusClient(server) == nil { throw ValidationError("--server: http://ADDRESS:PORT, not \"\(server)\"") }
        for range in podRanges where CIDR(range) == nil {
            throw ValidationError("--cluster-cidr: \"\(range)\" is no range such as 10.128.0.0/16")
        }
    }

    private var podRanges: [String] { (clusterCIDR ?? "").split(separator: ",").map { String($0).trimmed } }

    func run() async throws {
        let logger = log.logger()
        guard let kernel = Wiring.kernel(logger) else { throw Self.failed }
        let ports = await Self.healthCheckPorts(server)
        let report: FirewallReport
        do throws(NetlinkError) {
            let look = try FirewallLook(kernel, asWithoutKubeProxy: true)
            report = FirewallReport(look, targets: look.installedTargets(), ports: ports, podRanges: podRanges)
        } catch {
            logger.error("\(error)")
            throw Self.failed
        }
        StandardOutput().write(
            commands
                ? report.items.flatMap(\.commands).map { "\($0)\n" }.joined() : report.page(knowsPorts: ports != nil))
        if !report.items.isEmpty { throw ExitCode(1) }
    }

    /// The health check ports of the daemon that runs on this node, with the families that they have to answer in; nil if none tells.
    static func healthCheckPorts(_ server: String) async -> [UInt16: Set<IPFamily>]? {
        guard let answer = try? await StatusClient(server)?.status(), let ports = answer.status.healthCheckPorts else {
            return nil
        }
        return Dictionary(ports.map { ($0, [.ipv4, .ipv6]) }, uniquingKeysWith: { $1 })
    }
}

extension String {
    fileprivate var trimmed: String { split(whereSeparator: \.isWhitespace).joined() }
}

extension FirewallReport {
    /// The report for people.
    func page(knowsPorts: Bool) -> String {
        var text = ""
        for item in items {
            text += "firewall: \(self.text(item))\n"
            for command in item.commands { text += "    \(command)\n" }
        }
        if items.isEmpty {
            text += "firewall: nothing in other programs' chains is in the way, as far as it can be told\n"
        }
        if !knowsPorts {
            text +=
                "firewall: no daemon tells its health check ports: they were not looked at (healthCheckNodePort of Services)\n"
        }
        return text
    }
}
