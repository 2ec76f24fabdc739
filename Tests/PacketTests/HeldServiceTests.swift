import FairleadTestKit
import NetworkTypes
import Testing

/// Objects that are invalid, in a ruleset that is in force.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct HeldServiceTests {
    private static func service(_ name: String, address: Int, port: String = "80") -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name)}
        spec: {clusterIP: 10.96.7.\(address), ports: [{port: \(port)}]}

        """
    }

    private static func slice(_ name: String, endpoint: String) -> String {
        """
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: \(name)-1, labels: {kubernetes.io/service-name: \(name)}}
        addressType: IPv4
        ports: [{port: 8080}]
        endpoints: [{addresses: ["\(endpoint)"], nodeName: node1}]

        """
    }

    private static func manifests(port: String = "80", endpoint: String = "10.128.1.8", other: Int = 1) -> String {
        [
            service("held", address: 200, port: port), slice("held", endpoint: endpoint),
            service("other", address: other), slice("other", endpoint: "10.128.1.9"),
        ].joined(separator: "---\n")
    }

    @Test(
        "an object that is invalid costs only itself, and its Service stays as it was",
        arguments: [
            manifests(port: "80000", other: 2),
            manifests(other: 2).replacing("{addresses: [\"10.128.1.8\"]", with: "{addresses: \"10.128.1.8\""),
        ])
    func held(_ broken: String) async throws {
        let namespace = try NetworkNamespace()
        let directory = try TemporaryDirectory()
        let fairlead = try FairleadCommand()
        func apply(_ text: String) async throws -> (result: ProgramResult, ruleset: String) {
            let path = try directory.write(text, to: "cluster.yaml")
            let arguments = FairleadCommand.clusterArguments(manifests: path)
            let result = try await fairlead.run(["apply"] + arguments, in: namespace)
            return (try result.requireSuccess(), try await NFT(namespace).listRuleset())
        }
        let sound = try await apply(Self.manifests())
        #expect(sound.result.standardError == "")
        let after = try await apply(broken)
        #expect(after.result.standardError.contains("default/held"))
        for part in Self.partsOfHeld {
            #expect(sound.ruleset.contains(part), "\(part)")
            #expect(after.ruleset.contains(part), "\(part)")
        }
        #expect(after.ruleset.contains("10.96.7.2 . tcp . 80 . 0") && !after.ruleset.contains("10.96.7.1 . tcp"))
        let mended = try await apply(Self.manifests(endpoint: "10.128.1.77"))
        #expect(mended.ruleset.contains("10.128.1.77"))
        #expect(!mended.ruleset.contains("10.128.1.8 "))
    }

    private static let partsOfHeld = [
        "10.96.7.200 . tcp . 80 . 0 : 10.128.1.8 . 8080", "10.96.7.200 . tcp . 80 comment \"default/held\"",
        ", 10.96.7.200 }", "10.128.1.8 . tcp . 8080", "10.128.1.8 . 10.128.1.8",
    ]
}
