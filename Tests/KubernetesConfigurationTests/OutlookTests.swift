import KubernetesConfiguration
import Testing

/// What is said of a configuration that moves from kube-proxy 1.36 to Fairlead, or to a later kube-proxy.
@Suite struct OutlookTests {
    private static func outlook(_ lines: String) throws(ConfigurationError) -> [String] {
        let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
        return try ConfigurationDraft(Array((head + lines).utf8), path: "c.yaml").outlook.map(\.description)
    }

    @Test("a configuration that says everything is read alike everywhere")
    func settled() throws {
        #expect(try Self.outlook("mode: nftables\n") == [])
        #expect(
            try Self.outlook("mode: iptables\nnodePortAddresses: [all]\niptables: {localhostNodePorts: false}\n") == [])
    }

    @Test("an unset mode is named, and what to set where the sections differ")
    func unsetMode() throws {
        let rest = "nodePortAddresses: [primary]\niptables: {localhostNodePorts: false"
        let alike = try Self.outlook(rest + "}\n")
        #expect(alike.count == 1 && alike[0].hasPrefix("c.yaml: mode: is not set") && alike[0].contains("1.40"))
        #expect(!alike[0].contains("set it"))
        let differing = try Self.outlook(rest + ", masqueradeAll: true}\n")
        #expect(differing.count == 1 && differing[0].contains("so set it: iptables keeps what holds now"))
    }

    @Test("mode ipvs is named with its end")
    func ipvs() throws {
        let lines = try Self.outlook("mode: ipvs\nnodePortAddresses: [all]\n")
        #expect(lines.count == 1 && lines[0].hasPrefix("c.yaml:3: mode: ") && lines[0].contains("1.43"), "\(lines)")
    }

    @Test("node ports on all addresses and on 127.0.0.1 are kept by saying so", arguments: ["", "mode: iptables\n"])
    func nodePorts(_ mode: String) throws {
        let lines = try Self.outlook(mode)
        #expect(lines.contains { $0.contains("nodePortAddresses: is not set") && $0.contains("all keeps them") })
        #expect(lines.contains { $0.contains("iptables.localhostNodePorts: is not set") })
    }

    @Test("localhost in nodePortAddresses depends on a gate whose default changes")
    func localhost() throws {
        let text = "mode: nftables\nnodePortAddresses: [primary, localhost]\n"
        let lines = try Self.outlook(text)
        #expect(lines.count == 1 && lines[0].hasPrefix("c.yaml:4: nodePortAddresses: ") && lines[0].contains("1.38"))
        #expect(try Self.outlook(text + "featureGates: {KubeProxyNFTablesLocalhostNodePorts: false}\n") == [])
    }
}
