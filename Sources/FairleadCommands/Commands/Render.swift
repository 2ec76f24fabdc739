import ArgumentParser
import KubernetesModel
import Netfilter
import NetworkTypes
import NodeAgent
import Reconciliation
import Terminal

/// `fairlead render`.
struct Render: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case nft
        case json
    }

    static let configuration = CommandConfiguration(
        abstract: "Print the rules as text that 'nft -f' loads.",
        discussion: "A dry run: needs no privilege, reads and changes nothing in the kernel's rules.")

    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var node: NodeOptions
    @OptionGroup var log: LogOptions

    @Option(name: .shortAndLong, help: "nft: text for 'nft -f'; json: for programs, with what was found wrong.")
    var output = Form.nft

    func run() async throws {
        let settings = try Settings(file: file, source: source, node: node, log: log)
        let logger = settings.logger
        var session = try Session(settings, source: try source.choose(settings))
        settings.warn()
        guard await session.load(logger) else { throw ExitCode.failure }
        let tables = session.desired.tables()
        session.report(session.desired.findings, logger)
        let stdout = StandardOutput()
        switch output {
        case .nft: for table in tables { table.writeText { stdout.write($0) } }
        case .json: RenderJSON.write(tables, session.findings + session.desired.findings) { stdout.write($0) }
        }
    }
}

/// The JSON form of `render`.
enum RenderJSON {
    static func write(_ tables: [TableState], _ findings: [Finding], to output: (String) -> Void) {
        output("{\"tables\":[")
        for (index, table) in tables.enumerated() {
            let family = table.schema.family
            output(index == 0 ? "\n" : ",\n")
            output("{\"family\":\"\(family.nftName)\",\"name\":\(JSONText.string(table.schema.name)),\"sets\":[")
            for (index, set) in table.schema.sets.enumerated() {
                output(index == 0 ? "\n" : ",\n")
                write(set, table.elements[set.id] ?? [], family, to: output)
            }
            output("],\"chains\":[")
            for (index, chain) in table.schema.chains.enumerated() {
                output(index == 0 ? "\n" : ",\n")
                write(chain, family, to: output)
            }
            output("]}")
        }
        output("],\n\"findings\":[")
        for (index, finding) in findings.enumerated() { output((index == 0 ? "\n" : ",\n") + json(finding)) }
        output("]}\n")
    }

    private static func write(
        _ set: SetDeclaration, _ elements: [Element], _ family: IPFamily, to output: (String) -> Void
    ) {
        output("{\"name\":\(JSONText.string(set.name)),\"key\":\(JSONText.array(set.key.map { $0.text(family) }))")
        if set.isMap { output(",\"value\":\(JSONText.array(set.data.map { $0.text(family) }))") }
        if let comment = set.comment { output(",\"comment\":\(JSONText.string(comment))") }
        output(",\"elements\":[")
        for (index, element) in elements.sorted(by: { $0.key < $1.key }).enumerated() {
            var text = index == 0 ? "\n" : ",\n"
            text += "{\"key\":\(JSONText.string(ElementText.key(element, declaration: set, family)))"
            if let data = element.data {
                text += ",\"value\":\(JSONText.string(ElementText.fields(data, set.data, family)))"
            }
            if let comment = element.comment { text += ",\"comment\":\(JSONText.string(comment))" }
            output(text + "}")
        }
        output("]}")
    }

    private static func write(_ chain: Chain, _ family: IPFamily, to output: (String) -> Void) {
        output("{\"name\":\(JSONText.string(chain.name))")
        if let comment = chain.comment { output(",\"comment\":\(JSONText.string(comment))") }
        if let hook = chain.hook {
            output(",\"type\":\"\(hook.kind.rawValue)\",\"hook\":\"\(hook.point.name)\",\"priority\":\(hook.priority)")
        }
        output(",\"rules\":\(JSONText.array(chain.rules.map { $0.text(family) }))}")
    }

    static func json(_ finding: Finding) -> String {
        var text = "{\"severity\":\"\(finding.severity)\",\"code\":\(JSONText.string(finding.code))"
        if let subject = finding.subject {
            text += ",\"kind\":\"\(subject.kind.rawValue)\",\"namespace\":\(JSONText.string(subject.key.namespace))"
            text += ",\"name\":\(JSONText.string(subject.key.name))"
        }
        if let location = finding.location { text += ",\"location\":\(JSONText.string(location))" }
        return text + ",\"field\":\(JSONText.string(finding.field)),\"message\":\(JSONText.string(finding.message))}"
    }
}
