import KubernetesModel
import ManifestSource
import Testing

/// A manifest with something wrong in one object, and what is said about it, without file and object.
struct Malformed: CustomTestStringConvertible, Sendable {
    let text: String
    let message: String
    var testDescription: String { message }

    /// Whether only the value is left out, and the rest of the object is used.
    var isKept = false

    init(_ text: String, _ message: String) {
        self.text = text
        self.message = message
    }

    /// Only a value is left out.
    static func kept(_ text: String, _ message: String) -> Malformed {
        var result = Malformed(text, message)
        result.isKept = true
        return result
    }
}

private let good = "clusterIP: 10.96.0.1\nports: [{port: 80}]"
private let label63 = String(repeating: "a", count: 64)

private func timed(_ time: String) -> String {
    service(good).replacing("{name: web}", with: "{name: web, creationTimestamp: \(time)}")
}

private let malformedServices: [Malformed] = [
    .init(service("ports: [{port: 70000}]"), "spec.ports[0].port: must be 1 to 65535, is 70000"),
    .init(service("ports: [{port: 0}]"), "spec.ports[0].port: must be 1 to 65535, is 0"),
    .init(service("ports: [{port: -1}]"), "spec.ports[0].port: must be 1 to 65535, is -1"),
    .init(
        service("ports: [{port: 99999999999999999999999}]"),
        "spec.ports[0].port: must be -2147483648 to 2147483647, is 99999999999999999999999"),
    .init(
        service("ports: [{port: \"80\"}]"),
        "spec.ports[0].port: expected a number, found a string; remove the quotes"),
    .init(service("ports: [{port: http}]"), "spec.ports[0].port: expected a number, found a string"),
    .init(service("ports: [{port: 80.5}]"), "spec.ports[0].port: expected a whole number, found 80.5"),
    .init(
        service("ports: [{port: 080}]"),
        "spec.ports[0].port: 080 is octal to some readers; write it without the leading zero"),
    .init(service("ports: [{port: [80]}]"), "spec.ports[0].port: expected a number, found a list"),
    .init(service("ports: [{port: yes}]"), "spec.ports[0].port: expected a number, found a boolean"),
    .init(service("ports: [{name: a}]"), "spec.ports[0].port: is missing"),
    .init(service("ports: [{port: null}]"), "spec.ports[0].port: is missing"),
    .init(service("ports: {port: 80}"), "spec.ports: expected a list, found a map"),
    .init(service("ports: [80]"), "spec.ports[0]: expected a map, found a number"),
    .init(service("clusterIP: 10.96.0.1"), "spec.ports: must have at least one port"),
    .init(
        service("ports: [{port: 80, protocol: tcp}]"), "spec.ports[0].protocol: must be TCP, UDP or SCTP, is \"tcp\""),
    .kept(
        service("ports: [{port: 80, name: a}, {port: 81}]"),
        "spec.ports[1].name: is missing; each of several ports needs a name"),
    .kept(
        service("ports: [{port: 80, name: a}, {port: 81, name: a}]"),
        "spec.ports[1].name: \"a\" is the name of spec.ports[0]"),
    .kept(
        service("ports: [{port: 80, name: a}, {port: 80, name: b}]"),
        "spec.ports[1].port: 80/TCP is taken by spec.ports[0]"),
    .init(
        service("ports: [{port: 80, name: Web}]"),
        "spec.ports[0].name: must be a DNS label (at most 63 of a-z, 0-9 and -), is \"Web\""),
    .kept(
        service("ports: [{port: 80, nodePort: 30080}]"),
        "spec.ports[0].nodePort: needs type NodePort or LoadBalancer, which is ClusterIP"),
    .kept(
        service("type: NodePort\nports: [{port: 80, nodePort: 65536}]"),
        "spec.ports[0].nodePort: must be 0 to 65535, is 65536"),
    .kept(
        service("type: NodePort\nports: [{port: 1, name: a, nodePort: 30000}, {port: 2, name: b, nodePort: 30000}]"),
        "spec.ports[1].nodePort: 30000/TCP is taken by spec.ports[0]"),
    .kept(
        service("type: Nodeport\nports: [{port: 80}]"),
        "spec.type: must be ClusterIP, NodePort, LoadBalancer or ExternalName, is \"Nodeport\"; is served as ClusterIP, by its other fields"
    ),
    .init(
        service("clusterIP: 10.0.0.300\nports: [{port: 80}]"), "spec.clusterIP: \"10.0.0.300\" is not an IP address"),
    .init(service("clusterIP: 127.0.0.1\nports: [{port: 80}]"), "spec.clusterIP: 127.0.0.1 is a loopback address"),
    .init(
        service("clusterIP: 0.0.0.0\nports: [{port: 80}]"), "spec.clusterIP: 0.0.0.0 is the unspecified address"),
    .kept(
        service("clusterIPs: [10.96.0.1, 10.96.0.2]\nports: [{port: 80}]"),
        "spec.clusterIPs[1]: is a second IPv4 address; a Service has one per family"),
    .kept(
        service("clusterIPs: [10.96.0.1, None]\nports: [{port: 80}]"),
        "spec.clusterIPs[1]: \"None\" must be the only entry"),
    .kept(
        service("clusterIP: 10.96.0.2\nclusterIPs: [10.96.0.1]\nports: [{port: 80}]"),
        "spec.clusterIP: must equal clusterIPs[0], which is 10.96.0.1, is 10.96.0.2"),
    .kept(
        service("clusterIP: None\nclusterIPs: [10.96.0.1]\nports: [{port: 80}]"),
        "spec.clusterIP: must equal clusterIPs[0], which is 10.96.0.1, is \"None\""),
    .kept(
        service(good + "\nexternalIPs: [224.0.0.1]"), "spec.externalIPs[0]: 224.0.0.1 is a multicast address"),
    .kept(
        service(good + "\nexternalIPs: [169.254.0.1]"), "spec.externalIPs[0]: 169.254.0.1 is a link-local address"),
    .init(
        service(good + "\nexternalIPs: 192.0.2.1"), "spec.externalIPs: expected a list, found a string"),
    .kept(
        service(good + "\nexternalTrafficPolicy: local"),
        "spec.externalTrafficPolicy: must be Cluster or Local, is \"local\""),
    .init(
        service(good + "\ninternalTrafficPolicy: 1"),
        "spec.internalTrafficPolicy: expected a string, found a number; put it in quotes"),
    .kept(
        service(good + "\nsessionAffinity: Cookie"), "spec.sessionAffinity: must be None or ClientIP, is \"Cookie\""),
    .kept(
        service(good + "\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}"),
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds: must be 1 to 86400, is 86401"),
    .kept(
        service(good + "\nloadBalancerSourceRanges: [10.0.0.0]"),
        "spec.loadBalancerSourceRanges[0]: \"10.0.0.0\" is not a CIDR such as 10.0.0.0/8 and is left out; "
            + "no IPv4 range is left, so nobody is let in by IPv4"),
    .kept(
        service(good + "\nloadBalancerSourceRanges: [10.0.0.0, 10.0.0.0/8]"),
        "spec.loadBalancerSourceRanges[0]: \"10.0.0.0\" is not a CIDR such as 10.0.0.0/8 and is left out"),
    .kept(
        service(
            "clusterIPs: [10.96.0.1, \"fd00::7\"]\nports: [{port: 80}]\nloadBalancerSourceRanges: [\"fd00::/x\", 10.0.0.0/8]"
        ),
        "spec.loadBalancerSourceRanges[0]: \"fd00::/x\" is not a CIDR such as 10.0.0.0/8 and is left out; "
            + "no IPv6 range is left, so nobody is let in by IPv6"),
    .kept(
        service(good + "\nloadBalancerSourceRanges: [office]"),
        "spec.loadBalancerSourceRanges[0]: \"office\" is not a CIDR such as 10.0.0.0/8 and is left out; "
            + "no IPv4 range is left, so nobody is let in by IPv4"),
    .kept(
        service("clusterIPs: [10.96.0.1, \"fd00::7\"]\nports: [{port: 80}]\nloadBalancerSourceRanges: [office]"),
        "spec.loadBalancerSourceRanges[0]: \"office\" is not a CIDR such as 10.0.0.0/8 and is left out; "
            + "no IPv4 or IPv6 range is left, so nobody is let in by IPv4 or IPv6"),
    .init(
        service(good + "\npublishNotReadyAddresses: \"true\""),
        "spec.publishNotReadyAddresses: expected a boolean, found a string"),
    .kept(
        service(good, more: "status: {loadBalancer: {ingress: [{ip: example.com}]}}\n"),
        "status.loadBalancer.ingress[0].ip: \"example.com\" is not an IP address"),
    .kept(
        service(good, more: "status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: vip}]}}\n"),
        "status.loadBalancer.ingress[0].ipMode: must be VIP or Proxy, is \"vip\""),
    .kept(timed("yesterday"), "metadata.creationTimestamp: \"yesterday\" is not a time such as 2026-01-31T12:34:56Z"),
    .kept(timed("2026-01-31"), "metadata.creationTimestamp: \"2026-01-31\" is not a time such as 2026-01-31T12:34:56Z"),
    .kept(timed("7"), "metadata.creationTimestamp: \"7\" is not a time such as 2026-01-31T12:34:56Z"),
    .kept(timed("{}"), "metadata.creationTimestamp: \"a map\" is not a time such as 2026-01-31T12:34:56Z"),
    .init("apiVersion: v1\nkind: Service\nmetadata: {name: web}\n", "spec: is missing"),
    .init("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: []\n", "spec: expected a map, found a list"),
    .kept(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n"
            + "    service.beta.kubernetes.io/load-balancer-source-ranges: 10.0.0.0/8, x\nspec:\n  ports: [{port: 80}]\n",
        "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: "
            + "\"x\" is not a CIDR such as 10.0.0.0/8 and is left out; no IPv6 range is left, so nobody is let in by IPv6"
    ),
    .init(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {fairlead.dev/x: true}}\nspec: {}\n",
        "metadata.annotations[fairlead.dev/x]: expected a string, found a boolean; put it in quotes"),
]

private let malformedSlices: [Malformed] = [
    .init(slice("endpoints: []"), "addressType: is missing"),
    .kept(slice("addressType: ipv4"), "addressType: must be IPv4, IPv6 or FQDN, is \"ipv4\""),
    .kept(
        slice("addressType: IPv4\nendpoints: [{addresses: [\"fd00::1\"]}]"),
        "endpoints[0].addresses[0]: fd00::1 is not of the slice's addressType IPv4"),
    .kept(slice("addressType: IPv4\nendpoints: [{addresses: []}]"), "endpoints[0].addresses: must have an address"),
    .kept(slice("addressType: IPv4\nendpoints: [{}]"), "endpoints[0].addresses: must have an address"),
    .kept(
        slice("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}, {addresses: [127.0.0.1]}]"),
        "endpoints[1].addresses[0]: 127.0.0.1 is a loopback address"),
    .init(
        slice("addressType: IPv4\nendpoints: [{addresses: 10.0.0.1}]"),
        "endpoints[0].addresses: expected a list, found a string"),
    .init(
        slice("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: 1}}]"),
        "endpoints[0].conditions.ready: expected a boolean, found a number"),
    .init(
        slice("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], nodeName: 7}]"),
        "endpoints[0].nodeName: expected a string, found a number; put it in quotes"),
    .kept(slice("addressType: IPv4\nports: [{port: 0}]"), "ports[0].port: must be 1 to 65535, is 0"),
    .kept(
        slice("addressType: IPv4\nports: [{name: a}, {name: a}]"), "ports[1].name: \"a\" stands twice"),
    .kept(
        slice("addressType: IPv4\nports: [{port: 1}, {port: 2}]"),
        "ports[1].name: only one port may go without a name"),
]

private let malformedOthers: [Malformed] = [
    .kept(
        "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: x}]}\n",
        "status.addresses[0].address: \"x\" is not an IP address"),
    .kept(
        "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [10.0.0.0/33]}\n",
        "spec.podCIDRs[0]: \"10.0.0.0/33\" is not a CIDR such as 10.0.0.0/8"),
    .init(
        "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: x}\nspec: {cidrs: []}\n",
        "spec.cidrs: must have 1 or 2 blocks, has 0"),
    .kept(
        "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: x}\n"
            + "spec: {cidrs: [10.0.0.0/16, 10.1.0.0/16]}\n",
        "spec.cidrs[1]: is a second IPv4 block; there may be one per family"),
    .init(
        "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: web-1}\n",
        "apiVersion: \"discovery.k8s.io/v1beta1\" is a version of EndpointSlice that is not supported; "
            + "use discovery.k8s.io/v1"),
]

private let malformedNames: [Malformed] = [
    .init(service(good, name: "yes"), "metadata.name: expected a string, found a boolean; put it in quotes"),
    .init(service(good, name: "123"), "metadata.name: expected a string, found a number; put it in quotes"),
    .init(service(good, name: "1e3"), "metadata.name: expected a string, found a number; put it in quotes"),
    .init(service(good, name: "~"), "metadata.name: is missing"),
    .init(service(good, name: "{a: b}"), "metadata.name: expected a string, found a map"),
    .init(
        service(good, name: "\"a b\""),
        "metadata.name: must be a DNS label (at most 63 of a-z, 0-9 and -), is \"a b\""),
    .init(
        service(good, name: "\"a\\n}\""),
        "metadata.name: must be a DNS label (at most 63 of a-z, 0-9 and -), is \"a\\u{a}}\""),
    .init(
        service(good, name: label63),
        "metadata.name: must be a DNS label (at most 63 of a-z, 0-9 and -), is \"\(label63.prefix(60))…\""),
    .init(
        service(good, name: "a, namespace: -b"),
        "metadata.namespace: must be a DNS label (at most 63 of a-z, 0-9 and -), is \"-b\""),
    .init("apiVersion: v1\nkind: Service\n", "metadata: is missing"),
    .init("apiVersion: v1\nmetadata: {name: x}\n", "kind: is missing"),
    .init("kind: Service\nmetadata: {name: x}\n", "apiVersion: is missing"),
    .init("just a text\n", "expected an object, found a string"),
    .init("- 7\n", "expected an object, found a number"),
]

@Suite struct MalformedObjectTests {
    /// What is said of a value that is left out.
    private static let leftOut = ["invalid-value", "unreadable-source-range"]

    @Test(arguments: malformedServices + malformedSlices + malformedOthers + malformedNames)
    func aBadValueCostsItselfAndABadObjectOnlyItself(_ bad: Malformed) throws {
        let file = try decode(survivor + "---\n" + bad.text + survivor.replacing("survivor", with: "other"))
        #expect(file.names.first == "Service default/survivor" && file.names.last == "Service default/other")
        #expect(file.names.count == (bad.isKept ? 3 : 2))
        let found = file.findings.filter { $0.severity == .error || Self.leftOut.contains($0.code) }
        #expect(found.map(\.text) == [bad.message])
        #expect(found.allSatisfy { Self.leftOut.contains($0.code) } == bad.isKept)
        #expect(found.allSatisfy { $0.location?.hasPrefix("f.yaml:") == true })
    }

    @Test func theFindingNamesObjectAndLine() throws {
        let file = try decode("---\n# a comment\n" + service("clusterIP: 10.96.0.1\nports:\n- port: 80\n  nodePort: x"))
        #expect(
            file.findings.map(\.description)
                == ["f.yaml:10: Service default/web: spec.ports[0].nodePort: expected a number, found a string"])
    }

    @Test(arguments: [
        (
            service(good + "\nexternalTrafficPolicy: Local"), "policy-without-external-frontend",
            "spec.externalTrafficPolicy: has no effect: type ClusterIP without externalIPs has no external frontend"
        ),
        (
            service(good + "\nhealthCheckNodePort: 30000\ntype: LoadBalancer"), "health-check-port-unused",
            "spec.healthCheckNodePort: has no effect: only type LoadBalancer with externalTrafficPolicy Local has a "
                + "health check port"
        ),
        (
            service("ports: [{port: 80}]"), "no-cluster-ip",
            "spec: has no clusterIP and so no effect; the API server allocates one, a manifest has to name it"
        ),
        (
            slice("addressType: IPv4", labels: "{}"), "slice-without-service",
            "metadata.labels: has no label kubernetes.io/service-name and so belongs to no Service"
        ),
    ])
    func doubtfulObjectsAreKept(_ text: String, _ code: String, _ message: String) throws {
        let file = try decode(text)
        #expect(file.objects.count == 1)
        #expect(file.findings.map(\.code) == [code])
        #expect(file.findings.map(\.text) == [message])
    }
}

extension Finding {
    /// Field and message.
    fileprivate var text: String { field.isEmpty ? message : "\(field): \(message)" }
}
