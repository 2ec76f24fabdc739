import ArgumentParser
import Logging
import Netfilter
import NetlinkTransport
import NetworkTypes
import NodeAgent
import Reconciliation
import Terminal

/// `fairlead diff`.
struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what 'apply' would change in the kernel now.",
        discussion: "Exit code: 0 nothing, 1 something, 2 failed. Changes nothing; reading the kernel needs root.")

    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var log: LogOptions

    @Flag(help: "Also have the kernel judge the changes without carrying them out.")
    var check = false

    private static let failed = ExitCode(2)

    func run() async throws {
        let settings = try Settings(file: file, source: source, node: node, log: log, failure: Self.failed)
        let logger = settings.logger
        var session = try Session(settings, source: try source.choose(settings, failure: Self.failed))
        settings.warn()
        guard await session.load(logger), let kernel = Wiring.kernel(logger) else { throw Self.failed }
        let reconciler = Reconciler(kernel: kernel, desired: session.desired)
        let transactions: [Transaction]
        do throws(NetlinkError) {
            transactions = try reconciler.plan()
            session.report(reconciler.desired.findings, logger)
            let stdout = StandardOutput()
            DiffText.write(transactions) { stdout.write($0) }
            stdout.flush()
            if check { try Self.judge(transactions, kernel) }
        } catch {
            logger.error("\(error)")
            throw Self.failed
        }
        if !transactions.isEmpty { throw ExitCode(1) }
    }

    /// The kernel judges each batch by itself: all of them joined are what it would see in the end.
    private static func judge(_ transactions: [Transaction], _ kernel: NftablesKernel) throws(NetlinkError) {
        guard var whole = transactions.first else { return }
        for transaction in transactions.dropFirst() { whole.steps += transaction.steps }
        try kernel.check(whole)
    }
}

/// Transactions as a difference that a person can read.
enum DiffText {
    static func write(_ transactions: [Transaction], to output: (String) -> Void) {
        for step in transactions.lazy.flatMap(\.steps) {
            write(step.operation, step.family, table: transactions[0].tableName, to: output)
        }
        let counts = ChangeCounts(transactions)
        output(
            counts.isEmpty
                ? "no difference\n"
                : "\(counts.added) elements to add, \(counts.removed) to remove, "
                    + "\(counts.structural) changes of structure\n")
    }

    private static func write(
        _ operation: Operation, _ family: IPFamily, table: String, to output: (String) -> Void
    ) {
        let name = "\(family.nftName) \(table)"
        switch operation {
        case .addTable: output("+ table \(name)\n")
        case .claimTable: return
        case .deleteTable: output("- table \(name)\n")
        case .addSet(let set): output("+ \(name) \(set.isMap ? "map" : "set") \(set.name)\n")
        case .deleteSet(let set): output("- \(name) set \(set)\n")
        case .addChain(let chain): output("+ \(name) chain \(chain.name)\n")
        case .deleteChain(let chain): output("- \(name) chain \(chain)\n")
        case .flushChain: return
        case .setRules(let chain):
            output("~ \(name) chain \(chain.name): rules\n")
            for rule in chain.rules { output("    \(rule.text(family))\n") }
        case .addElements(let set, let elements): write("+", elements, of: set, family, name, to: output)
        case .deleteElements(let set, let elements), .destroyElements(let set, let elements):
            write("-", elements, of: set, family, name, to: output)
        }
    }

    private static func write(
        _ sign: String, _ elements: [Element], of set: SetDeclaration, _ family: IPFamily, _ table: String,
        to output: (String) -> Void
    ) {
        var plain = set
        plain.countsPackets = false
        for element in elements.sorted(by: { $0.key < $1.key }) {
            output("\(sign) \(table) \(set.name) { \(plain.text(of: element, family)) }\n")
        }
    }
}
