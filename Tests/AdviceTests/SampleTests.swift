import Advice
import Foundation
import KubernetesModel
import ManifestSource
import NetworkTypes
import Testing

/// The example clusters of docs/samples/advice: each says in its first lines what there is to find.
@Suite struct SampleTests {
    private static let directory = "docs/samples/advice"

    static let names: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: Repository.path(directory))) ?? []).sorted()

    /// The lines `# advise: NAMESPACE/NAME CODE, CODE`.
    private static func expectations(_ name: String) throws -> Set<String> {
        var result: Set<String> = []
        for line in try Repository.lines("\(directory)/\(name)") where line.hasPrefix("# advise: ") {
            let words = line.dropFirst("# advise: ".count).split { $0 == " " || $0 == "," }
            for code in words.dropFirst() { result.insert("\(words[0]) \(code)") }
        }
        return result
    }

    /// The line `# options: --cluster-cidr RANGE`, `# options: --detect-local-mode NodeCIDR`, `# options: --no-external-ips` or
    /// `# options: --drain-taints KEY`.
    private static func options(_ name: String) throws -> AdviceOptions {
        var options = AdviceOptions()
        for line in try Repository.lines("\(directory)/\(name)") where line.hasPrefix("# options: ") {
            let words = line.dropFirst("# options: ".count).split(separator: " ")
            if words == ["--detect-local-mode", "NodeCIDR"] {
                options.podSources = .nodeCIDRs
            } else if words == ["--no-external-ips"] {
                options.servesExternalIPs = false
            } else if words.count == 2, words[0] == "--drain-taints" {
                options.drainTaints = try DrainTaints([String(words[1])])
            } else {
                try #require(words.count == 2 && words[0] == "--cluster-cidr")
                options.podSources = .clusterCIDRs([try #require(CIDR(String(words[1])))])
            }
        }
        return options
    }

    private static func findings(_ name: String) throws -> [AdviceFinding] {
        var manifests = ManifestSet(paths: [Repository.path("\(directory)/\(name)")], details: true)
        let update = manifests.load()
        try #require(update.failures.isEmpty)
        var cluster = ClusterState()
        _ = cluster.apply(update.changes)
        return Advisor(cluster, options: try options(name), findings: update.findings).findings()
    }

    @Test("in an example cluster exactly what it says is found", arguments: names)
    func sample(_ name: String) throws {
        let expected = try Self.expectations(name)
        #expect(expected.isEmpty == name.hasPrefix("sound-"))
        #expect(Set(try Self.findings(name).map { "\($0.object.key) \($0.code.rawValue)" }) == expected)
    }

    @Test("every code has an example, and every finding says what it was seen by and what to do")
    func complete() throws {
        let findings = try Self.names.flatMap { try Self.findings($0) }
        #expect(Set(findings.map(\.code)) == Set(AdviceCode.allCases))
        for finding in findings {
            let isWhole = !finding.remedies.isEmpty && (!finding.evidence.isEmpty || finding.code == .invalidObject)
            #expect(isWhole && !finding.summary.isEmpty && !finding.summary.hasSuffix("."), "\(finding)")
        }
    }
}

/// docs/advice.md and the code know the same codes.
@Suite struct DocumentationTests {
    @Test("docs/advice.md explains every code, with its severity, and no other")
    func codes() throws {
        let lines = try Repository.lines("docs/advice.md")
        let headings = lines.filter { $0.hasPrefix("### ") }.map { String($0.dropFirst(4)) }
        #expect(headings.sorted() == AdviceCode.allCases.map(\.rawValue).sorted())
        for code in AdviceCode.allCases {
            let start = try #require(lines.firstIndex(of: "### \(code.rawValue)"))
            let body = lines[(start + 1)...].prefix { !$0.hasPrefix("#") }
            #expect(body.contains { $0.hasPrefix("*\(code.severity)*") }, "\(code.rawValue): severity")
            for part in ["**Why.**", "**Seen by.**", "**To do.**"] {
                #expect(body.contains { $0.contains(part) }, "\(code.rawValue): \(part)")
            }
        }
    }

    @Test("docs/advice.md names the threshold, every load balancer and every environment")
    func values() throws {
        let text = try Repository.text("docs/advice.md")
        #expect(text.contains("\(AdviceOptions.unevenRatio)"))
        for kind in LoadBalancerKind.allCases { #expect(text.contains("`\(kind.rawValue)`"), "\(kind)") }
        for place in Environment.allCases { #expect(text.contains("`\(place.rawValue)`"), "\(place)") }
    }
}
