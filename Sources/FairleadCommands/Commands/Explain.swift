import ArgumentParser
import KubernetesModel
import Logging
import NetworkTypes
import NodeAgent
import PacketPath
import Terminal

/// `fairlead explain`.
struct Explain: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
        case mermaid
    }

    static let configuration = CommandConfiguration(
        abstract: "Say where a connection goes, and why.",
        discussion: """
            Walks the first packet of a connection through the rules that fairlead computes, and says what becomes of it \
            in the words of the Service API. Needs no privilege, except with --live.

            fairlead explain --manifests DIR --node node1 --from external --to 10.250.0.10:80
            fairlead explain --manifests DIR --node node1 --from 10.128.1.99 --to default/web:http
            fairlead explain --manifests DIR --node node1 --from node --to node:30080/udp

            Exit code: 0 reaches an endpoint; 1 is refused, dropped, or meant for no Service; 2 failed.
            """)

    @Option(
        help: ArgumentHelp(
            "Who connects: an IP, node, external or pod.",
            discussion: """
                node: the node itself; external: an address that nothing in the cluster has; pod: a pod of the node that \
                is no endpoint.
                """))
    var from: String?

    @Option(
        help: ArgumentHelp(
            "What is connected to: ADDRESS:PORT, node:PORT or NAMESPACE/NAME[:PORT], then /tcp, /udp or /sctp.",
            discussion: """
                An IPv6 address stands in brackets. node:PORT is the node's own address; NAMESPACE/NAME a Service's \
                ClusterIP, with its port by name or number.
                """))
    var to: String?

    @Flag(help: "Read questions from standard input, one per line: FROM TO.")
    var questions = false

    @Option(name: .customLong("node"), help: "The node whose view it is, from its Node object. Default: this host.")
    var view: String?

    @Option(help: "The interface that the packet comes through. Default: guessed from the source, where it matters.")
    var inputInterface: String?

    @Flag(name: .customLong("ipv6"), help: "IPv6, where neither end tells the family.")
    var isIPv6 = false

    @Flag(help: "Ask the rules that the kernel has now, and compare (needs root).")
    var live = false

    @Flag(help: "Also print the rules that the packet matches.")
    var rules = false

    @Option(name: .shortAndLong, help: "text, json (one object per line) or mermaid (a picture).")
    var output = Form.text

    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var options: NodeOptions
    @OptionGroup var log: LogOptions

    private static let failed = ExitCode(2)

    func validate() throws {
        if questions ? (from != nil || to != nil) : (from == nil || to == nil) {
            throw ValidationError("--from and --to are needed, or --questions without them")
        }
        if live, view != nil { throw ValidationError("--live is this host's kernel, not that of --node") }
        if let from, let to {
            do throws(QuestionError) { _ = try Question(from: from, to: to) } catch {
                throw ValidationError("\(error)")
            }
        }
    }

    func run() async throws {
        let settings = try Settings(file: file, source: source, node: options, log: log, failure: Self.failed)
        let logger = settings.logger
        let view = view?.lowercased()
        var session = try Session(settings, source: try source.choose(settings, failure: Self.failed), view: view)
        settings.warn()
        guard await session.load(logger, allNodes: true) else { throw Self.failed }
        let code: Int32
        do throws(ExplainFailure) {
            var views = try NodeViews(
                desired: session.desired, view: view, isNamed: options.nodeName != nil, logger)
            session.report(views.nodeFindings, logger)
            if live { try views.readKernel(logger) }
            code = answer(views, logger)
        } catch {
            logger.error("\(error)")
            throw Self.failed
        }
        if code != 0 { throw ExitCode(code) }
    }

    /// Answers every question; the worst answer makes the exit code.
    private func answer(_ views: NodeViews, _ logger: Logger) -> Int32 {
        let stdout = StandardOutput()
        var code: Int32 = 0
        var isFirst = true
        func print(_ from: String, _ to: String) {
            do throws(QuestionError) {
                var question = try Question(from: from, to: to)
                question.family = isIPv6 ? .ipv6 : .ipv4
                question.interface = inputInterface
                let explanation = views.explain(try question.packet(in: views.situation))
                if !isFirst, output != .json { stdout.write("\n") }
                stdout.write(text(explanation))
                isFirst = false
                if explanation.verdict != .reaches { code = max(code, 1) }
            } catch {
                logger.error("\(error)")
                code = 2
            }
        }
        if let from, let to { print(from, to) }
        while questions, let line = readLine() {
            let words = line.split(separator: " ").map(String.init)
            if words.isEmpty || words[0].hasPrefix("#") { continue }
            if words.count == 2 {
                print(words[0], words[1])
            } else {
                logger.error("\"\(line)\" is not a question such as 10.128.1.99 10.96.0.10:80")
                code = 2
            }
        }
        return code
    }

    private func text(_ explanation: Explanation) -> String {
        switch output {
        case .text: ExplanationText.text(explanation, showsRules: rules)
        case .json: ExplanationJSON.line(explanation)
        case .mermaid: ExplanationPicture.text(explanation)
        }
    }
}
