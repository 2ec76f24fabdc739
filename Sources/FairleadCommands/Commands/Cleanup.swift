import ArgumentParser
import Logging
import Netfilter
import NetlinkTransport
import NodeAgent
import ServiceDataplane
import Terminal

/// `fairlead cleanup`.
struct Cleanup: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove everything that fairlead made, and nothing else.",
        discussion: """
            Removes the tables 'ip fairlead' and 'ip6 fairlead'. Established connections keep their translation: it \
            lives in conntrack.
            """)

    @OptionGroup var log: LogOptions

    @Flag(name: .shortAndLong, help: "Print nothing when it went well.")
    var quiet = false

    func run() throws { try Self.perform(log.logger(), isQuiet: quiet) }

    /// Removes the tables and prints which, or logs why that failed.
    static func perform(_ logger: Logger, isQuiet: Bool) throws {
        guard let kernel = Wiring.kernel(logger) else { throw ExitCode.failure }
        do throws(NetlinkError) {
            let removed = try kernel.removeTables(named: DataplaneOptions().tableName)
            guard !isQuiet else { return }
            let stdout = StandardOutput()
            if removed.isEmpty { stdout.write("nothing to remove\n") }
            for family in removed { stdout.write("removed table \(family.nftName) \(DataplaneOptions().tableName)\n") }
        } catch {
            logger.error("\(error)")
            throw ExitCode.failure
        }
    }
}
