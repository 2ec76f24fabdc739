import KubernetesModel
import KubernetesWire
import Testing
import WireTestKit

/// An object with something wrong, and what is said about it.
struct InvalidObject: CustomTestStringConvertible, Sendable {
    let kind: ObjectID.Kind
    let message: ProtobufMessage
    let finding: String
    var testDescription: String { finding }

    init(_ kind: ObjectID.Kind, _ finding: String, _ message: ProtobufMessage) {
        self.kind = kind
        self.finding = finding
        self.message = message
    }

    static func service(
        _ finding: String, metadata: ((inout ProtobufMessage) -> Void)? = nil,
        status: ((inout ProtobufMessage) -> Void)? = nil, _ spec: (inout ProtobufMessage) -> Void
    ) -> InvalidObject {
        InvalidObject(
            .service, finding,
            ProtobufMessage {
                $0.message(1) {
                    $0.text(1, "web")
                    $0.text(3, "shop")
                    $0.text(6, "9")
                    metadata?(&$0)
                }
                $0.message(2, spec)
                if let status { $0.message(3) { $0.message(1) { $0.message(1, status) } } }
            })
    }

    static func slice(_ finding: String, type: String = "IPv4", _ fill: (inout ProtobufMessage) -> Void) -> Self {
        InvalidObject(
            .endpointSlice, finding,
            ProtobufMessage {
                $0.message(1) {
                    $0.text(1, "web-1")
                    $0.text(3, "shop")
                    $0.text(6, "9")
                    $0.map(11, ["kubernetes.io/service-name": "web"])
                }
                fill(&$0)
                $0.text(4, type)
            })
    }

    static func cluster(_ kind: ObjectID.Kind, _ finding: String, _ fill: (inout ProtobufMessage) -> Void) -> Self {
        InvalidObject(
            kind, finding,
            ProtobufMessage {
                $0.message(1) {
                    $0.text(1, "x")
                    $0.text(6, "9")
                }
                fill(&$0)
            })
    }
}

extension ProtobufMessage {
    fileprivate mutating func port(_ number: Int, name: String = "", transport: String = "", nodePort: Int = 0) {
        message(1) {
            $0.text(1, name)
            $0.text(2, transport)
            $0.integer(3, number)
            $0.integer(5, nodePort)
        }
    }

    fileprivate mutating func endpoint(_ addresses: String...) { message(2) { $0.texts(1, addresses) } }
}

private let services: [InvalidObject] = [
    .service("spec.ports[0].port: must be 1 to 65535, is 70000") { $0.port(70000) },
    .service("spec.ports[0].port: must be 1 to 65535, is 0") { $0.port(0) },
    .service("spec.ports[0].port: must be 1 to 65535, is -1") { $0.port(-1) },
    .service("spec.ports: must have at least one port") { $0.text(3, "10.96.0.1") },
    .service("spec.ports[1].protocol: must be TCP, UDP or SCTP, is \"tcp\"") {
        $0.port(80, name: "a")
        $0.port(81, name: "b", transport: "tcp")
    },
    .service("spec.ports[1].name: is missing; each of several ports needs a name") {
        $0.port(80, name: "a")
        $0.port(81)
    },
    .service("spec.ports[1].name: \"a\" is the name of spec.ports[0]") {
        $0.port(80, name: "a")
        $0.port(81, name: "a")
    },
    .service("spec.ports[1].port: 80/TCP is taken by spec.ports[0]") {
        $0.port(80, name: "a")
        $0.port(80, name: "b")
    },
    .service("spec.ports[0].name: must be a DNS label (at most 63 of a-z, 0-9 and -), is \"Web\"") {
        $0.port(80, name: "Web")
    },
    .service("spec.ports[0].nodePort: needs type NodePort or LoadBalancer, which is ClusterIP") {
        $0.port(80, nodePort: 30080)
    },
    .service("spec.ports[0].nodePort: must be 0 to 65535, is 65536") { $0.port(80, nodePort: 65536) },
    .service("spec.ports[1].nodePort: 30000/TCP is taken by spec.ports[0]") {
        $0.port(1, name: "a", nodePort: 30000)
        $0.port(2, name: "b", nodePort: 30000)
        $0.text(4, "NodePort")
    },
    .service(
        "spec.type: must be ClusterIP, NodePort, LoadBalancer or ExternalName, is \"Nodeport\"; is served as ClusterIP, by its other fields"
    ) {
        $0.port(80)
        $0.text(4, "Nodeport")
    },
    .service("spec.clusterIPs[0]: \"10.0.0.300\" is not an IP address") { $0.text(18, "10.0.0.300") },
    .service("spec.clusterIP: 127.0.0.1 is a loopback address") { $0.text(3, "127.0.0.1") },
    .service("spec.clusterIPs[1]: is a second IPv4 address; a Service has one per family") {
        $0.port(80)
        $0.texts(18, ["10.96.0.1", "10.96.0.2"])
    },
    .service("spec.clusterIPs[1]: \"None\" must be the only entry") {
        $0.port(80)
        $0.texts(18, ["10.96.0.1", "None"])
    },
    .service("spec.clusterIP: must equal clusterIPs[0], which is 10.96.0.1, is 10.96.0.2") {
        $0.port(80)
        $0.text(3, "10.96.0.2")
        $0.text(18, "10.96.0.1")
    },
    .service("spec.clusterIP: must equal clusterIPs[0], which is 10.96.0.1, is \"None\"") {
        $0.port(80)
        $0.text(3, "None")
        $0.text(18, "10.96.0.1")
    },
    .service("spec.externalIPs[1]: 224.0.0.1 is a multicast address") {
        $0.port(80)
        $0.texts(5, ["192.0.2.1", "224.0.0.1"])
    },
    .service("spec.externalTrafficPolicy: must be Cluster or Local, is \"local\"") {
        $0.port(80)
        $0.text(11, "local")
    },
    .service("spec.internalTrafficPolicy: must be Cluster or Local, is \"x\\u{a}y\"") {
        $0.port(80)
        $0.text(22, "x\ny")
    },
    .service("spec.sessionAffinity: must be None or ClientIP, is \"Cookie\"") {
        $0.port(80)
        $0.text(7, "Cookie")
    },
    .service("spec.sessionAffinityConfig.clientIP.timeoutSeconds: must be 1 to 86400, is 86401") {
        $0.port(80)
        $0.message(14) { $0.message(1) { $0.integer(1, 86401) } }
    },
    .service(
        "spec.loadBalancerSourceRanges[0]: \"10.0.0.0\" is not a CIDR such as 10.0.0.0/8 and is left out; "
            + "no IPv4 range is left, so nobody is let in by IPv4"
    ) {
        $0.port(80)
        $0.text(9, "10.0.0.0")
    },
    .service(
        "spec.loadBalancerSourceRanges[0]: \"10.0.0.0\" is not a CIDR such as 10.0.0.0/8 and is left out"
    ) {
        $0.port(80)
        $0.text(9, "10.0.0.0")
        $0.text(9, "10.0.0.0/8")
    },
    .service("spec.healthCheckNodePort: must be 0 to 65535, is -5") {
        $0.port(80)
        $0.integer(12, -5)
    },
    .service(
        "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: "
            + "\"x\" is not a CIDR such as 10.0.0.0/8 and is left out; no IPv6 range is left, so nobody is let in by IPv6",
        metadata: { $0.map(12, ["service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, x"]) },
        { $0.port(80) }),
    .service(
        "status.loadBalancer.ingress[0].ip: \"example.com\" is not an IP address",
        status: { $0.text(1, "example.com") }, { $0.port(80) }),
    .service(
        "status.loadBalancer.ingress[0].ipMode: must be VIP or Proxy, is \"vip\"",
        status: {
            $0.text(1, "192.0.2.1")
            $0.text(3, "vip")
        }, { $0.port(80) }),
]

private let slices: [InvalidObject] = [
    .slice("addressType: is missing", type: "") { _ in },
    .slice("addressType: must be IPv4, IPv6 or FQDN, is \"ipv4\"", type: "ipv4") { _ in },
    .slice("endpoints[0].addresses[0]: fd00::1 is not of the slice's addressType IPv4") { $0.endpoint("fd00::1") },
    .slice("endpoints[0].addresses: must have an address") { $0.endpoint() },
    .slice("endpoints[1].addresses[0]: 127.0.0.1 is a loopback address") {
        $0.endpoint("10.0.0.1")
        $0.endpoint("127.0.0.1")
    },
    .slice("endpoints[1].addresses[0]: \"web.example.com\" is not an IP address") {
        $0.endpoint("10.0.0.1")
        $0.endpoint("web.example.com", "10.0.0.2")
    },
    .slice("ports[0].port: must be 1 to 65535, is 0") { $0.message(3) { $0.integer(3, 0) } },
    .slice("ports[1].name: \"a\" stands twice") {
        $0.message(3) { $0.text(1, "a") }
        $0.message(3) { $0.text(1, "a") }
    },
    .slice("ports[1].name: only one port may go without a name") {
        $0.message(3) { _ in }
        $0.message(3) { _ in }
    },
    .slice("ports[0].protocol: must be TCP, UDP or SCTP, is \"QUIC\"") { $0.message(3) { $0.text(2, "QUIC") } },
]

private let others: [InvalidObject] = [
    .cluster(.node, "status.addresses[0].address: \"x\" is not an IP address") {
        $0.message(3) {
            $0.message(5) {
                $0.text(1, "InternalIP")
                $0.text(2, "x")
            }
        }
    },
    .cluster(.node, "spec.podCIDRs[0]: \"10.0.0.0/33\" is not a CIDR such as 10.0.0.0/8") {
        $0.message(2) { $0.text(7, "10.0.0.0/33") }
    },
    .cluster(.node, "spec.podCIDR: \"10.0.0.0\" is not a CIDR such as 10.0.0.0/8") {
        $0.message(2) { $0.text(1, "10.0.0.0") }
    },
    .cluster(.serviceCIDR, "spec.cidrs: must have 1 or 2 blocks, has 0") { _ in },
    .cluster(.serviceCIDR, "spec.cidrs[1]: is a second IPv4 block; there may be one per family") {
        $0.message(2) { $0.texts(1, ["10.0.0.0/16", "10.1.0.0/16"]) }
    },
]

@Suite struct InvalidObjectTests {
    /// What makes an object meaningless as a whole.
    private static let refusals: Set<String> = [
        "spec.ports[0].port: must be 1 to 65535, is 70000", "spec.ports[0].port: must be 1 to 65535, is 0",
        "spec.ports[0].port: must be 1 to 65535, is -1", "spec.ports: must have at least one port",
        "spec.ports[0].name: must be a DNS label (at most 63 of a-z, 0-9 and -), is \"Web\"",
        "spec.clusterIPs[0]: \"10.0.0.300\" is not an IP address",
        "spec.clusterIP: 127.0.0.1 is a loopback address", "addressType: is missing",
        "spec.cidrs: must have 1 or 2 blocks, has 0",
    ]

    /// What is said of a value that is left out.
    private static let leftOut = ["invalid-value", "unreadable-source-range"]

    @Test(arguments: services + slices + others)
    func aValueThatCannotBeUsedCostsItselfAndAnObjectThatMakesNoSenseOnlyItself(_ invalid: InvalidObject) throws {
        var random = RandomObjects(seed: 1)
        let good = random.object(invalid.kind)
        let body = WireEncoder.list(
            invalid.kind, [good.protobuf(), invalid.message, good.protobuf()], resourceVersion: "1")
        let items = try ListDecoder.decode(body, kind: invalid.kind).items
        let isRefused = Self.refusals.contains(invalid.finding)
        #expect(items[0].object == good && items[2].object == good)
        #expect((items[1].object == nil) == isRefused)
        #expect(items.map(\.resourceVersion) == ["1", "9", "1"])
        let found = items[1].findings.filter { $0.severity == .error || Self.leftOut.contains($0.code) }
        let finding = try #require(found.first)
        #expect(found.count == 1)
        #expect(finding.severity == (isRefused ? .error : .warning))
        let isRange = invalid.finding.contains("CIDR such as") && invalid.kind == .service
        let code = isRange ? "unreadable-source-range" : "invalid-value"
        #expect(finding.code == (isRefused ? "invalid-object" : code))
        #expect(finding.subject == items[1].id)
        #expect("\(finding.field): \(finding.message)" == invalid.finding)
        let held = isRefused ? ["Service": "shop/web", "EndpointSlice": "shop/web"][invalid.kind.rawValue] : nil
        #expect(finding.heldService?.description == held)
    }

    @Test func aServiceWithoutSpecMakesNoSense() throws {
        let page = try ListDecoder.decode(
            WireEncoder.list(.service, [named("web")], resourceVersion: "1"), kind: .service)
        #expect(page.items.first?.findings.map(\.description) == ["Service shop/web: spec: is missing"])
    }

    @Test(arguments: [
        ("", "must be a DNS label (at most 63 of a-z, 0-9 and -), is \"\""),
        ("a\nb", "must be a DNS label (at most 63 of a-z, 0-9 and -), is \"a\\u{a}b\""),
    ])
    func namesThatBreakTheRulesAreReported(_ name: String, _ message: String) throws {
        let item = try #require(
            try ListDecoder.decode(
                WireEncoder.list(.service, [named(name)], resourceVersion: "1"), kind: .service
            ).items.first)
        #expect(item.object == nil)
        #expect(!item.id.description.contains("\n"))
        #expect(item.findings.map(\.field) == ["metadata.name"])
        #expect(item.findings.map(\.message) == [message])
    }

    @Test func aSliceOfNamesHasNoEndpoints() throws {
        let slice = InvalidObject.slice("", type: "FQDN") { $0.endpoint("web.example.com") }
        let item = try #require(
            try ListDecoder.decode(
                WireEncoder.list(.endpointSlice, [slice.message], resourceVersion: "1"), kind: .endpointSlice
            ).items.first)
        let expected = EndpointSlice(
            key: ObjectKey(namespace: "shop", name: "web-1"), serviceName: "web", addressFamily: nil)
        #expect(item.object == .endpointSlice(expected))
        #expect(item.findings.isEmpty)
    }

    @Test func doubtfulObjectsAreKept() throws {
        let service = InvalidObject.service("") {
            $0.port(80)
            $0.text(11, "Local")
            $0.integer(12, 30000)
        }
        let item = try #require(
            try ListDecoder.decode(
                WireEncoder.list(.service, [service.message], resourceVersion: "1"), kind: .service
            ).items.first)
        #expect(item.object != nil)
        #expect(
            item.findings.map(\.code) == [
                "policy-without-external-frontend", "health-check-port-unused", "no-cluster-ip",
            ])
    }

    private func named(_ name: String) -> ProtobufMessage {
        ProtobufMessage {
            $0.message(1) {
                $0.text(1, name)
                $0.text(3, "shop")
            }
        }
    }
}
