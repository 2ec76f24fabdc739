import Advice
import ArgumentParser
import KubernetesConfiguration
import KubernetesModel
import Logging
import NodeAgent
import ServiceDataplane
import Terminal

extension LoadBalancerKind: ExpressibleByArgument {}
extension Advice.Environment: ExpressibleByArgument {}

/// `fairlead advise`.
struct Advise: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case table
        case json
        case sarif
    }

    /// From which severity on a finding makes the exit code.
    enum Threshold: String, ExpressibleByArgument, CaseIterable {
        case info
        case warning
        case error
        case never

        func isMet(by severity: Finding.Severity) -> Bool {
            switch self {
            case .info: true
            case .warning: severity >= .warning
            case .error: severity >= .error
            case .never: false
            }
        }
    }

    static let configuration = CommandConfiguration(
        abstract: "Say which Services will hurt, and what to do.",
        discussion: """
            Looks at Services, EndpointSlices and Nodes for all nodes at once: policies that drop or overload, load \
            balancers that need something else, single points of failure and more. Needs no privilege, changes nothing. \
            docs/advice.md explains each code and when to use which policy.

            fairlead advise --manifests DIR
            fairlead advise default/web --kubeconfig FILE --load-balancer metallb
            fairlead advise --manifests DIR --output sarif --fail-on error > advice.sarif

            Exit code: 0 nothing at or above --fail-on; 1 something; 2 failed.
            """)

    @Argument(help: "The Service, as NAMESPACE/NAME, or NAME in any namespace. Default: all of them.")
    var service: String?

    @Option(
        help: ArgumentHelp(
            "What is in front of Services of type LoadBalancer. Default: guessed from class, annotations and Nodes.",
            discussion: "external is one that somebody else configures: F5, Citrix, HAProxy and others."))
    var loadBalancer: LoadBalancerKind?

    @Option(help: "Where the cluster runs. Default: guessed from the Nodes' providerID, labels and taints.")
    var environment: Advice.Environment?

    @Option(help: "Least severity that makes the exit code 1: info, warning, error or never.")
    var failOn = Threshold.warning

    @Option(
        help: ArgumentHelp(
            "Codes to leave out, separated by commas; may be given several times.",
            discussion: "The annotation \(Service.ignoreAnnotation) does the same for one Service."))
    var ignore: [String] = []

    @Flag(
        help: ArgumentHelp(
            "Nodes do not serve the externalIPs of Services, as run --no-external-ips.",
            discussion: "The feature gate AllowServiceExternalIPs=false in the file of --config says the same."))
    var noExternalIps = false

    @Option(help: "Taints that take a node out, as run --drain-taints: keys, separated by commas. Default: none.")
    var drainTaints: [String] = []

    @Option(name: .shortAndLong, help: "table (for people), json or sarif (for code scanning).")
    var output = Form.table

    @OptionGroup var detection: DetectionOptions
    @OptionGroup var source: SourceOptions
    @OptionGroup var file: FileOptions
    @OptionGroup var log: LogOptions

    private static let failed = ExitCode(2)

    func validate() throws {
        if let code = AdviceCode.list(ignore.joined(separator: ",")).unknown.first {
            throw ValidationError("--ignore: \"\(code)\" is no code; docs/advice.md has them all")
        }
        _ = try DrainTaints(option: drainTaints)
    }

    func run() async throws {
        // Advice is about all nodes: none of them has options, but for how sources are told to be in the cluster.
        let settings = try Settings(
            file: file, source: source, node: try NodeOptions.parse([]), log: log, others: [detection],
            failure: Self.failed)
        let logger = settings.logger
        let choice = try source.choose(settings, failure: Self.failed)
        guard let reading = await ObjectReading(choice, nodeName: nil, details: true, logger), reading.isWhole else {
            throw Self.failed
        }
        var cluster = ClusterState()
        _ = cluster.apply(reading.update.changes)
        var options = options
        options.podSources = settings.podSources
        options.drainTaints = try DrainTaints(option: drainTaints)
        options.servesExternalIPs = !noExternalIps && settings.configuration.allowsExternalIPs
        let advisor = Advisor(cluster, options: options, findings: reading.update.findings)
        // Errors about objects are advice.
        ObjectLog.report(reading.update.findings.filter { $0.severity < .error || $0.subject == nil }, logger)
        for (key, code) in advisor.unknownCodes {
            logger.warning("Service \(key): metadata.annotations[\(Service.ignoreAnnotation)]: \"\(code)\" is no code")
        }
        let keys = try chosen(cluster, logger)
        let report = AdviceReport(
            findings: advisor.findings(of: keys), services: keys?.count ?? advisor.services.count,
            nodes: cluster.nodeCount, environment: advisor.environment, locations: reading.locations)
        let stdout = StandardOutput()
        stdout.write(text(report))
        stdout.flush()
        if report.findings.contains(where: { failOn.isMet(by: $0.severity) }) { throw ExitCode(1) }
    }

    private var options: AdviceOptions {
        var options = AdviceOptions()
        options.loadBalancer = loadBalancer
        options.environment = environment
        options.ignored = Set(AdviceCode.list(ignore.joined(separator: ",")).known)
        return options
    }

    /// The Services that the argument names; nil for all.
    private func chosen(_ cluster: ClusterState, _ logger: Logger) throws -> [ObjectKey]? {
        guard let service else { return nil }
        let keys = cluster.serviceKeys.filter { service.contains("/") ? $0.description == service : $0.name == service }
        if keys.isEmpty {
            logger.error("there is no Service \"\(service)\"")
            throw Self.failed
        }
        return keys
    }

    private func text(_ report: AdviceReport) -> String {
        switch output {
        case .table: AdviceText.text(report)
        case .json: AdviceJSON.text(report)
        case .sarif: AdviceSARIF.text(report)
        }
    }
}

extension Settings {
    /// How sources are told to be in the cluster, if anybody said so.
    fileprivate var podSources: PodSources? {
        guard ["clusterCIDR", "detectLocalMode"].contains(where: draft.says) else { return nil }
        return switch configuration.localDetector {
        case .clusterCIDRs(let ranges): .clusterCIDRs(ranges)
        case .nodeCIDRs: .nodeCIDRs
        case .bridge, .interfacePrefix: nil
        }
    }
}
