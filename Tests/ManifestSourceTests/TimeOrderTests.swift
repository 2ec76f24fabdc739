import KubernetesModel
import ManifestSource
import Testing

/// `creationTimestamp` as manifests have it: age decides who has what two Services claim.
@Suite struct TimeOrderTests {
    private static func timestamps(_ times: [String]) throws -> (times: [String], order: [String], codes: [String]) {
        let text = times.enumerated().map { index, time in
            service("clusterIP: 10.96.0.\(index + 1)\nports: [{port: 80}]", name: "s\(index)")
                .replacing("{name: s\(index)}", with: "{name: s\(index), creationTimestamp: \(time)}")
        }.joined(separator: "---\n")
        let file = try decode(text)
        var state = ClusterState()
        _ = state.apply(file.objects.map { .applied($0.object) })
        let read = state.serviceKeys.compactMap { state.service($0)?.creationTimestamp }
        return (read, state.keys(in: state.byAge).map(\.name), file.findings.map(\.code))
    }

    @Test("times of any offset are compared in UTC")
    func offsets() throws {
        let found = try Self.timestamps([
            "2026-01-01T02:00:00Z", "2026-01-01T03:00:00+02:00", "\"2025-12-31T20:30:00-04:00\"",
            "2026-01-01T00:45:00.25Z",
        ])
        #expect(
            found.times == [
                "2026-01-01T02:00:00Z", "2026-01-01T01:00:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z",
            ])
        #expect(found.order == ["s2", "s3", "s1", "s0"])
        #expect(found.codes.isEmpty)
    }

    @Test("a time that cannot be read is left out with a finding, and the Service is served as one without a time")
    func unreadable() throws {
        let found = try Self.timestamps(["2026-01-01T02:00:00Z", "yesterday", "null", "\"\""])
        #expect(found.times == ["2026-01-01T02:00:00Z", "", "", ""])
        #expect(found.order == ["s1", "s2", "s3", "s0"])
        #expect(found.codes == ["invalid-value"])
    }
}
