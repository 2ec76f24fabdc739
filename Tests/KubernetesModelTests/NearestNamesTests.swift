import Testing

@testable import KubernetesModel

@Suite struct NearestNamesTests {
    @Test(
        "the names that somebody may have meant come first: the same host's, then the least misspelt",
        arguments: [
            ("alpha.corp.example", ["beta", "alpha", "alphb"], ["alpha", "alphb", "beta"]),
            ("alpha", ["alphb", "beta", "alpha.corp.example"], ["alpha.corp.example", "alphb", "beta"]),
            ("node-1", ["node-3", "node-10", "other", "node-2"], ["node-10", "node-2", "node-3"]),
            ("alpha", ["alpha", "beta"], ["beta"]), ("x", [], []), ("", ["b", "a"], ["a", "b"]),
        ] as [(String, [String], [String])])
    func order(_ name: String, _ names: [String], _ expected: [String]) {
        #expect(NearestNames.of(name, in: names) == expected)
    }
}
