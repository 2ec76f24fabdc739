import APIServerKit
import Advice
import FairleadTestKit
import Foundation
import KubernetesModel
import ManifestSource
import Testing

/// `fairlead advise` as a command: exit codes, forms, and both sources of objects.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct CommandTests {
    private static func run(_ arguments: [String], _ namespace: NetworkNamespace? = nil) async throws -> ProgramResult {
        try await FairleadCommand().run(["advise"] + arguments, in: try namespace ?? NetworkNamespace("advise"))
    }

    private static func sample(_ name: String) -> [String] {
        ["--manifests", Repository.path("docs/samples/advice/\(name).yaml")]
    }

    @Test(
        "exit codes say whether something was found at or above --fail-on",
        arguments: [
            ("sound-on-premises", [], 0), ("sound-aws", ["--fail-on", "info"], 0), ("local-uneven", [], 1),
            ("local-uneven", ["--fail-on", "error"], 0), ("contested", ["--fail-on", "error"], 1),
            ("contested", ["--fail-on", "never"], 0), ("local-uneven", ["--ignore", "external-local-uneven"], 0),
            ("contested", ["--ignore", "contested-frontend", "--ignore", "no-endpoint,single-node"], 0),
            ("local-gap", ["demo/ports"], 1), ("contested", ["first"], 0), ("contested", ["demo/third"], 2),
            ("contested", ["other/first"], 2), ("not-there", [], 2), ("contested", ["--ignore", "nonsense"], 64),
            ("contested", ["--fail-on", "nonsense"], 64), ("contested", ["--load-balancer", "nonsense"], 64),
        ] as [(String, [String], Int32)])
    func exitCodes(_ name: String, _ arguments: [String], _ status: Int32) async throws {
        let result = try await Self.run(Self.sample(name) + arguments)
        #expect(result.status == status, "\(result)")
    }

    @Test("the table names the finding, its place, what it was seen by and what to do")
    func table() async throws {
        let output = try await Self.run(Self.sample("local-uneven")).standardOutput
        let lines = output.split(separator: "\n").map(String.init)
        #expect(lines.first?.hasPrefix("warning  external-local-uneven  Service demo/web (") == true)
        #expect(lines.first?.hasSuffix("local-uneven.yaml:19)") == true, "\(output)")
        #expect(output.contains("  because  node2: 1 pod with 50 % of the traffic each (even: 25 %)\n"))
        #expect(output.contains("\n  to do    or set externalTrafficPolicy Cluster"))
        #expect(lines.last == "1 Service, 3 Nodes; on-premises: no Node has a providerID, as clouds set it; 1 warning")
    }

    @Test("what the operator says wins over guesses")
    func options() async throws {
        let told = Self.sample("local-uneven") + ["--load-balancer", "external", "--environment", "autoscaled-cloud"]
        let output = try await Self.run(told).standardOutput
        for code in ["external-local-gap", "external-local-autoscaled", "external-local-uneven"] {
            #expect(output.contains(code), "\(output)")
        }
        #expect(output.contains("said with --load-balancer") && output.contains("said with --environment"))
    }

    @Test("advise holds Nodes against clusterCIDR and NodeCIDR, by the options and by the configuration file")
    func podCIDRs() async throws {
        let outside = Self.sample("pod-cidr-outside")
        #expect(try await Self.run(outside).status == 0, "nobody said what clusterCIDR is")
        let told = try await Self.run(outside + ["--cluster-cidr", "10.128.0.0/16"])
        #expect(
            told.status == 1 && told.standardOutput.contains("pod-cidr-outside-cluster-cidr  Node node2"), "\(told)")
        #expect(told.standardOutput.contains("2 Nodes have a podCIDR outside of it, such as node2 with 10.129.2.0/24"))
        #expect(try await Self.run(outside + ["--cluster-cidr", "10.128.0.0/15,fd00::/16"]).status == 0)
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            """
            apiVersion: kubeproxy.config.k8s.io/v1alpha1
            kind: KubeProxyConfiguration
            clusterCIDR: 10.128.0.0/16
            """, to: "config.conf")
        #expect(try await Self.run(outside + ["--config", file]).status == 1)
        let missing = try await Self.run(Self.sample("pod-cidr-missing") + ["--detect-local-mode", "NodeCIDR"])
        #expect(
            missing.status == 1 && missing.standardOutput.contains("1 Node without spec.podCIDRs: node2"), "\(missing)")
    }

    private struct Report: Decodable {
        struct Found: Decodable {
            struct Fact: Decodable {
                var name: String
                var value: Double?
                var text: String
            }
            var code: String
            var severity: String
            var kind: String
            var namespace: String?
            var name: String
            var file: String?
            var line: Int?
            var nodes: [String]
            var summary: String
            var evidence: [Fact]
            var remedies: [String]
        }
        var services: Int
        var nodes: Int
        var environment: String
        var findings: [Found]
    }

    @Test("JSON has all that the table has")
    func json() async throws {
        let output = try await Self.run(Self.sample("local-uneven") + ["--output", "json"]).standardOutput
        let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
        let found = try #require(report.findings.first)
        #expect(report.services == 1 && report.nodes == 3 && report.findings.count == 1)
        #expect(found.code == "external-local-uneven" && found.severity == "warning" && found.kind == "Service")
        #expect(found.namespace == "demo" && found.name == "web" && found.line == 19)
        #expect(found.nodes == ["node1", "node2"] && found.evidence.first?.value == 3)
        #expect(found.evidence.filter { $0.name == "podShare" }.map(\.value) == [0.5, 0.166667])
        let sound = try await Self.run(Self.sample("sound-aws") + ["--output", "json"]).standardOutput
        #expect(try JSONDecoder().decode(Report.self, from: Data(sound.utf8)).findings.isEmpty)
    }

    /// What SARIF 2.1.0 demands of the parts that are used.
    private struct Log: Decodable {
        struct Message: Decodable { var text: String }
        struct Rule: Decodable {
            struct Configuration: Decodable { var level: String }
            var id: String
            var shortDescription: Message
            var help: Message
            var defaultConfiguration: Configuration
        }
        struct Driver: Decodable {
            var name: String
            var version: String
            var rules: [Rule]
        }
        struct Tool: Decodable { var driver: Driver }
        struct Artifact: Decodable { var uri: String }
        struct Region: Decodable { var startLine: Int }
        struct Physical: Decodable {
            var artifactLocation: Artifact
            var region: Region
        }
        struct Logical: Decodable {
            var name: String
            var fullyQualifiedName: String
            var kind: String
        }
        struct Location: Decodable {
            var physicalLocation: Physical?
            var logicalLocations: [Logical]
        }
        struct Result: Decodable {
            var ruleId: String
            var ruleIndex: Int
            var level: String
            var message: Message
            var locations: [Location]
            var partialFingerprints: [String: String]
        }
        struct Run: Decodable {
            var tool: Tool
            var results: [Result]
        }
        var schema: String
        var version: String
        var runs: [Run]

        enum CodingKeys: String, CodingKey {
            case schema = "$schema"
            case version
            case runs
        }
    }

    @Test("SARIF has a rule for each code, and results that point at rules, objects and lines")
    func sarif() async throws {
        let directory = try TemporaryDirectory()
        let sample = try Repository.text("docs/samples/advice/contested.yaml")
        let path = try directory.write(sample, to: "a b#c.yaml")
        let output = try await Self.run(["--manifests", path, "--output", "sarif"]).standardOutput
        let log = try JSONDecoder().decode(Log.self, from: Data(output.utf8))
        #expect(log.version == "2.1.0" && log.schema.hasSuffix("sarif-2.1.0.json") && log.runs.count == 1)
        let run = try #require(log.runs.first)
        #expect(run.tool.driver.name == "fairlead" && !run.tool.driver.version.isEmpty)
        #expect(run.tool.driver.rules.map(\.id) == AdviceCode.allCases.map(\.rawValue))
        let levels: Set<String> = ["note", "warning", "error"]
        #expect(run.tool.driver.rules.allSatisfy { levels.contains($0.defaultConfiguration.level) })
        #expect(run.results.map(\.ruleId) == ["contested-frontend", "no-endpoint"])
        #expect(run.results.map(\.level) == ["error", "warning"])
        for result in run.results {
            #expect(run.tool.driver.rules[result.ruleIndex].id == result.ruleId && !result.message.text.isEmpty)
            let location = try #require(result.locations.first)
            #expect(location.logicalLocations.map(\.fullyQualifiedName) == ["Service demo/second"])
            #expect(location.physicalLocation?.artifactLocation.uri == "file://\(directory.path)/a%20b%23c.yaml")
            let line = location.physicalLocation?.region.startLine ?? 0
            let lines = sample.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines[(line - 1)...].prefix(5).contains { $0.contains("name: second") })
        }
        #expect(Set(run.results.compactMap { $0.partialFingerprints["object/v1"] }).count == 2)
    }

    @Test(
        "an API server tells the same as manifests",
        arguments: ["sound-aws", "pod-targets", "local-unreachable", "zones"])
    func api(_ name: String) async throws {
        let path = Repository.path("docs/samples/advice/\(name).yaml")
        var manifests = ManifestSet(paths: [path], details: true)
        let namespace = try NetworkNamespace("advise-api")
        let authority = try await CertificateAuthority()
        let server = try await FakeAPIServer(in: namespace, certificate: authority.server())
        server.cluster.apply(
            manifests.load().changes.compactMap { if case .applied(let object) = $0 { object } else { nil } })
        let directory = try TemporaryDirectory()
        let kubeconfig = try directory.write(server.kubeconfig(authority: authority.authority), to: "kubeconfig")
        let asked = try await Self.run(["--kubeconfig", kubeconfig, "--output", "json"], namespace)
        let read = try await Self.run(Self.sample(name) + ["--output", "json"])
        func findings(_ result: ProgramResult) throws -> [String] {
            try JSONDecoder().decode(Report.self, from: Data(result.standardOutput.utf8)).findings.map {
                "\($0.severity) \($0.code) \($0.namespace ?? "")/\($0.name) \($0.nodes) \($0.summary) "
                    + "\($0.evidence.map(\.text)) \($0.remedies)"
            }
        }
        #expect(asked.status == read.status && asked.status == (name == "sound-aws" ? 0 : 1), "\(asked)")
        #expect(try findings(asked) == findings(read))
        await server.stop()
    }

    @Test("objects that cannot be read, and misspelt codes, are said on standard error")
    func remarks() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("kind: [", to: "broken.yaml")
        let broken = try await Self.run(["--manifests", path])
        #expect(broken.status == 2 && broken.standardError.contains("broken.yaml:") && broken.standardOutput.isEmpty)
        let sample = try Repository.text("docs/samples/advice/sound-on-premises.yaml")
        try directory.write(sample.replacing("single-endpoint", with: "single-endpoints"), to: "broken.yaml")
        let misspelt = try await Self.run(["--manifests", path])
        #expect(misspelt.status == 1 && misspelt.standardOutput.contains("single-endpoint"))
        #expect(misspelt.standardError.contains("\"single-endpoints\" is no code"), "\(misspelt)")
    }
}
