import FairleadTestKit
import Glibc
import KubernetesModel
import KubernetesWire
import ManifestSource
import ServicePolicy
import Testing
import WireTestKit

/// What a source says of an object.
private struct Reading: Hashable, CustomStringConvertible {
    /// Nil if it is invalid as a whole.
    var object: ClusterObject?
    /// Without the places in files, which the API does not have.
    var findings: [Finding] = []
    var description: String {
        let said = findings.map {
            "\($0.severity) \($0.code) \($0.field): \($0.message) (holds \($0.heldService.map { "\($0)" } ?? "nothing"))"
        }
        return "\(said.joined(separator: "\n    "))\n    \(object.map { "\($0)" } ?? "no object")"
    }
}

/// Manifests to be read both ways.
struct SourceCase: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var text: String

    /// All tables of the packet suite, one case for each scenario.
    static let scenarios = PacketTable.all.enumerated().flatMap { table, entry in
        entry.scenarios.enumerated().map { offset, scenario in
            let objects = scenario.objects(Numbers(index: offset + 1))
            return SourceCase(
                testDescription: "table \(table): \(scenario.name)",
                text: Manifest.documents(
                    [Manifest.cluster] + objects.services.map(\.yaml) + objects.slices.map(\.yaml)))
        }
    }

    /// The manifests of docs/samples.
    static let samples: [SourceCase] = {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/docs/samples/"
        return ["*.yaml", "*/*.yaml"].flatMap { paths(root + $0) }.map {
            SourceCase(testDescription: "\($0.dropFirst(root.count))", text: content($0))
        }
    }()

    private static func paths(_ pattern: String) -> [String] {
        var result = glob_t()
        defer { globfree(&result) }
        guard glob(pattern, 0, nil, &result) == 0 else { return [] }
        return (0..<Int(result.gl_pathc)).compactMap { result.gl_pathv[$0].map { String(cString: $0) } }
    }

    private static func content(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite struct SourceAgreementTests {
    private static func fromFiles(_ text: String) throws -> [ObjectID: Reading] {
        var decoder = ManifestDecoder(path: "f.yaml", workers: 1, details: true)
        let file = try decoder.decode(text)
        var result: [ObjectID: Reading] = [:]
        for entry in file.objects { result[entry.object.id, default: Reading()].object = entry.object }
        for var finding in file.findings {
            finding.location = nil
            if let subject = finding.subject { result[subject, default: Reading()].findings.append(finding) }
        }
        return result
    }

    private static func fromAPI(_ text: String) throws -> [ObjectID: Reading] {
        var result: [ObjectID: Reading] = [:]
        for (kind, items) in try WireForm.items(text) {
            let body = WireEncoder.list(kind, items, resourceVersion: "1")
            for item in try ListDecoder.decode(body, kind: kind, details: true).items {
                result[item.id] = Reading(object: item.object, findings: item.findings)
            }
        }
        return result
    }

    /// How a node serves each Service.
    private static func served(_ readings: [ObjectID: Reading]) -> [ObjectKey: PolicyResolution] {
        var state = ClusterState()
        _ = state.apply(readings.values.compactMap { $0.object.map { .applied($0) } })
        let addresses = state.node("node1")?.internalIPs ?? []
        let node = NodeContext(nodeName: "node1", zone: state.node("node1")?.zone, addresses: addresses)
        var result: [ObjectKey: PolicyResolution] = [:]
        state.forEachService { result[$0.key] = resolve($0, slices: $1, node: node) }
        return result
    }

    @Test("each case of the suite, and each odd value, is the same from files and from the API")
    func agreement() throws {
        let cases = SourceCase.scenarios + SourceCase.samples + SourceCase.oddValues
        #expect(SourceCase.scenarios.count > 50 && SourceCase.samples.count > 20)
        for entry in cases {
            let (files, api) = (try Self.fromFiles(entry.text), try Self.fromAPI(entry.text))
            #expect(!files.isEmpty, "\(entry.testDescription)")
            for id in Set(files.keys).union(api.keys) where files[id] != api[id] {
                let said = [files[id], api[id]].map { $0?.description ?? "-" }
                Issue.record("\(entry.testDescription): \(id)\n  files: \(said[0])\n  API: \(said[1])")
            }
            #expect(Self.served(files) == Self.served(api), "\(entry.testDescription)")
        }
    }
}
