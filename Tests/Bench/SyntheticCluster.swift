/// A cluster that looks like a real one and is the same every time: each Service follows from its number alone.
struct SyntheticCluster {
    /// The number of Services.
    let services: Int
    /// The number of endpoints of each.
    let endpoints: Int

    private static let nodes = 100
    private static let seed: UInt64 = 0x5eed_0fa1_71ea_d000
    private static let teams = ["payments", "search", "catalog", "identity", "shipping", "media", "ledger", "support"]
    private static let tiers = ["frontend", "backend", "worker", "cache"]

    /// The name of the node that the rules are made for.
    static let nodeName = "node-000.bench.example"
    /// The port of all endpoints.
    static let targetPort: UInt16 = 8080
    /// The range of all pods.
    static let podRange = "10.128.0.0/9"

    /// One endpoint that is to be other than the cluster has it.
    struct Change {
        var service: Int
        var endpoint: Int
        var address: IPv4Number
    }

    /// An IPv4 address as a number.
    struct IPv4Number: Equatable {
        var value: UInt32
        var text: String { "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)" }
    }

    // MARK: Addresses

    /// The first ClusterIP of a Service.
    static func clusterIP(_ service: Int) -> IPv4Number {
        IPv4Number(value: 10 << 24 | 96 << 16 + UInt32(service + 10))
    }

    /// The address of the pod with that number on a node.
    static func pod(node: Int, number: Int) -> IPv4Number {
        IPv4Number(value: 10 << 24 | UInt32(128 + node) << 16 | UInt32(number + 2))
    }

    /// An address that no pod of the cluster has, on another node than the one that the rules are made for.
    static func freshPod(_ number: Int) -> IPv4Number { pod(node: 1 + number % (nodes - 1), number: 50_000 + number) }

    /// The node and the address of an endpoint: consecutive endpoints are spread over the nodes.
    func place(service: Int, endpoint: Int) -> (node: Int, address: IPv4Number) {
        let sequence = service * endpoints + endpoint
        let node = (sequence * 37 + sequence / Self.nodes * 61) % Self.nodes
        return (node, Self.pod(node: node, number: sequence / Self.nodes))
    }

    /// An endpoint of the Service that is not on the node that the rules are made for.
    func remoteEndpoint(of service: Int) -> Int {
        (0..<endpoints).first { place(service: service, endpoint: $0).node != 0 } ?? 0
    }

    /// The first Service from that number on that has a ClusterIP and no other address.
    static func plainService(from number: Int) -> Int {
        var number = number
        while kind(number) != "ClusterIP" { number += 1 }
        return number
    }

    private static func kind(_ service: Int) -> String {
        if service % 50 == 49 { return "LoadBalancer" }
        return service % 20 == 19 ? "NodePort" : "ClusterIP"
    }

    static func nodeName(_ number: Int) -> String { "node-\(padded(number, 3)).bench.example" }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    // MARK: Objects

    /// The nodes and the ranges of ClusterIPs.
    var clusterObjects: [ManifestValue] {
        let ranges: ManifestValue = .object([
            ("apiVersion", .text("networking.k8s.io/v1")), ("kind", .text("ServiceCIDR")),
            ("metadata", .object([("name", .text("kubernetes"))])),
            ("spec", .object([("cidrs", .list([.text("10.96.0.0/12")]))])),
        ])
        return [ranges]
            + (0..<Self.nodes).map { node in
                let labels = ManifestValue.object([
                    ("kubernetes.io/hostname", .text(Self.nodeName(node))),
                    ("topology.kubernetes.io/zone", .text("zone-\(node % 3)")),
                ])
                let address = ManifestValue.object([
                    ("type", .text("InternalIP")), ("address", .text("172.30.0.\(node + 10)")),
                ])
                return .object([
                    ("apiVersion", .text("v1")), ("kind", .text("Node")),
                    ("metadata", .object([("name", .text(Self.nodeName(node))), ("labels", labels)])),
                    ("status", .object([("addresses", .list([address]))])),
                ])
            }
    }

    /// A Service and its EndpointSlice.
    func objects(_ service: Int, _ change: Change? = nil) -> [ManifestValue] {
        var random = SplitMix(state: Self.seed ^ UInt64(service) &* 0x9e37_79b9_7f4a_7c15)
        let identity = Identity(service, &random)
        return [serviceObject(service, identity, &random), sliceObject(service, identity, change, &random)]
    }

    /// What a Service and its slices have in common.
    private struct Identity {
        let namespace: String
        let name: String
        let labels: [(String, ManifestValue)]
        let created: String

        init(_ service: Int, _ random: inout SplitMix) {
            let tier = SyntheticCluster.tiers[random.below(SyntheticCluster.tiers.count)]
            namespace = SyntheticCluster.teams[service % SyntheticCluster.teams.count]
            name = "\(namespace)-\(tier)-\(SyntheticCluster.padded(service, 6))"
            labels = [
                ("app.kubernetes.io/name", .text(name)), ("app.kubernetes.io/component", .text(tier)),
                ("app.kubernetes.io/managed-by", .text("Helm")),
            ]
            let day = SyntheticCluster.padded(1 + random.below(28), 2)
            let minute = SyntheticCluster.padded(random.below(60), 2)
            created =
                "2026-0\(1 + random.below(6))-\(day)T\(SyntheticCluster.padded(random.below(24), 2)):\(minute):00Z"
        }
    }

    private func serviceObject(_ service: Int, _ identity: Identity, _ random: inout SplitMix) -> ManifestValue {
        let kind = Self.kind(service)
        let address = Self.clusterIP(service).text
        var port: [(String, ManifestValue)] = [
            ("name", .text("http")), ("protocol", .text("TCP")), ("port", .number(80)), ("targetPort", .text("http")),
        ]
        // Each range of 2,768 ports serves once: larger clusters have no more node ports than the API gives.
        let nodePort = 30_000 + service / 10
        let hasNodePort = kind != "ClusterIP" && nodePort < 32_768
        if hasNodePort { port.append(("nodePort", .number(nodePort))) }
        var spec: [(String, ManifestValue)] = [
            ("clusterIP", .text(address)), ("clusterIPs", .list([.text(address)])),
            ("internalTrafficPolicy", .text("Cluster")), ("ipFamilies", .list([.text("IPv4")])),
            ("ipFamilyPolicy", .text("SingleStack")), ("ports", .list([.object(port)])),
            ("selector", .object([("app.kubernetes.io/name", .text(identity.name))])),
            ("sessionAffinity", .text("None")), ("type", .text(hasNodePort ? kind : "ClusterIP")),
        ]
        if hasNodePort { spec.append(("externalTrafficPolicy", .text(service % 100 == 99 ? "Local" : "Cluster"))) }
        var properties: [(String, ManifestValue)] = [
            ("apiVersion", .text("v1")), ("kind", .text("Service")),
            ("metadata", metadata(identity.name, identity, identity.labels, &random)), ("spec", .object(spec)),
        ]
        if hasNodePort && kind == "LoadBalancer" {
            let ingress = ManifestValue.object([("ip", .text("10.250.\(service / 200 % 256).\(service / 50 % 256)"))])
            properties.append(("status", .object([("loadBalancer", .object([("ingress", .list([ingress]))]))])))
        }
        return .object(properties)
    }

    private func sliceObject(
        _ service: Int, _ identity: Identity, _ change: Change?, _ random: inout SplitMix
    ) -> ManifestValue {
        let labels =
            identity.labels + [
                ("endpointslice.kubernetes.io/managed-by", .text("endpointslice-controller.k8s.io")),
                ("kubernetes.io/service-name", .text(identity.name)),
            ]
        let members = (0..<endpoints).map { endpoint in
            let (node, address) = place(service: service, endpoint: endpoint)
            let isChanged = change.map { $0.service == service && $0.endpoint == endpoint } ?? false
            let pod = "\(identity.name)-\(random.token(10))-\(random.token(5))"
            return endpointObject(isChanged ? change?.address ?? address : address, node, pod, identity, &random)
        }
        return .object([
            ("addressType", .text("IPv4")), ("apiVersion", .text("discovery.k8s.io/v1")),
            ("endpoints", .list(members)), ("kind", .text("EndpointSlice")),
            ("metadata", metadata("\(identity.name)-\(random.token(5))", identity, labels, &random)),
            (
                "ports",
                .list([
                    .object([("name", .text("http")), ("port", .number(Int(Self.targetPort))), ("protocol", .text("TCP"))])
                ])
            ),
        ])
    }

    private func endpointObject(
        _ address: IPv4Number, _ node: Int, _ pod: String, _ identity: Identity, _ random: inout SplitMix
    ) -> ManifestValue {
        .object([
            ("addresses", .list([.text(address.text)])),
            (
                "conditions",
                .object([("ready", .flag(true)), ("serving", .flag(true)), ("terminating", .flag(false))])
            ),
            ("nodeName", .text(Self.nodeName(node))),
            (
                "targetRef",
                .object([
                    ("kind", .text("Pod")), ("name", .text(pod)), ("namespace", .text(identity.namespace)),
                    ("uid", .text(random.uid())),
                ])
            ),
            ("zone", .text("zone-\(node % 3)")),
        ])
    }

    private func metadata(
        _ name: String, _ identity: Identity, _ labels: [(String, ManifestValue)], _ random: inout SplitMix
    ) -> ManifestValue {
        .object([
            ("creationTimestamp", .text(identity.created)), ("labels", .object(labels)), ("name", .text(name)),
            ("namespace", .text(identity.namespace)), ("uid", .text(random.uid())),
        ])
    }
}

/// The SplitMix64 generator: the same numbers on every machine.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Letters and digits as in the names of pods.
    mutating func token(_ length: Int) -> String {
        let alphabet = Array("bcdfghjklmnpqrstvwxz2456789".utf8)
        return String(decoding: (0..<length).map { _ in alphabet[below(alphabet.count)] }, as: UTF8.self)
    }

    /// Like a UUID; begins with a letter, so that it is not taken for a number.
    mutating func uid() -> String {
        let digits = String(next() | 0xa << 60, radix: 16) + String(next() | 1 << 63, radix: 16)
        var result = ""
        for (index, digit) in digits.enumerated() {
            if [8, 12, 16, 20].contains(index) { result += "-" }
            result.append(digit)
        }
        return result
    }
}
