import FairleadTestKit
import NetworkTypes

/// Services of both families, and a client and pods around a node: what `PacketPath` sends packets through.
struct PathCluster {
    /// How many Services nobody sends to. Two more are measured.
    let services: Int
    /// How many endpoints each has.
    let endpoints: Int

    /// A Service with one port for TCP and UDP.
    struct Service {
        var name: String
        var clusterIP: [IPFamily: String]
        var endpoints: [IPFamily: [String]]
    }

    /// The port of all Services.
    static let port: UInt16 = 80
    /// The port of all endpoints.
    static let targetPort: UInt16 = 8080
    static let nodeName = "node-a"
    /// Where pods are, the client among them.
    static let podRanges: [IPFamily: String] = [.ipv4: "10.128.0.0/9", .ipv6: "fd00:128::/32"]
    static let serviceRanges: [IPFamily: String] = [.ipv4: "10.96.0.0/12", .ipv6: "fd00:96::/108"]
    static let node: [IPFamily: String] = [.ipv4: "172.30.0.1", .ipv6: "fd00:30::1"]
    static let client: [IPFamily: String] = [.ipv4: "10.240.0.2", .ipv6: "fd00:128:f::2"]

    /// Its endpoints answer.
    var answering: Service { service(services, "answering", pods: 250) }
    /// Its endpoints swallow what they get.
    var silent: Service { service(services + 1, "silent", pods: 251) }
    /// All of them.
    var all: [Service] { (0..<services).map { service($0, "service-\($0)", pods: nil) } + [answering, silent] }

    /// - Parameter pods: a range of addresses of its own; nil: those that follow from the number.
    private func service(_ number: Int, _ name: String, pods: Int?) -> Service {
        let address = number + 10
        let members = (0..<endpoints).map { endpoint -> (String, String) in
            let pod = (pods == nil ? number * endpoints : 0) + endpoint + 10
            let block = pods ?? 128 + pod >> 16
            return (
                "10.\(block).\(pod >> 8 & 255).\(pod & 255)",
                "fd00:128:\(String(block, radix: 16)):\(String(pod >> 16, radix: 16))::\(String(pod & 0xFFFF, radix: 16))"
            )
        }
        return Service(
            name: name,
            clusterIP: [
                .ipv4: "10.\(96 + address >> 16).\(address >> 8 & 255).\(address & 255)",
                .ipv6: "fd00:96::\(String(address >> 16, radix: 16)):\(String(address & 0xFFFF, radix: 16))",
            ], endpoints: [.ipv4: members.map(\.0), .ipv6: members.map(\.1)])
    }

    // MARK: As manifests

    /// Writes the objects to a file.
    func write(to path: String) throws(TestKitError) {
        let file = try OutputFile(path)
        var writer = ManifestText()
        var isFirst = true
        writer.raw("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [")
        for object in Self.clusterObjects + all.flatMap(objects) {
            if !isFirst { writer.raw(",") }
            isFirst = false
            writer.json(object)
            if writer.text.utf8.count > 1 << 16 { try file.write(writer.take()) }
        }
        writer.raw("]}\n")
        try file.write(writer.take())
    }

    private static func metadata(_ name: String, _ labels: [(String, ManifestValue)] = []) -> ManifestValue {
        .object([("name", .text(name)), ("namespace", .text("bench")), ("labels", .object(labels))])
    }

    private static var clusterObjects: [ManifestValue] {
        [

            .object([
                ("apiVersion", .text("networking.k8s.io/v1")), ("kind", .text("ServiceCIDR")),
                ("metadata", .object([("name", .text("kubernetes"))])),
                ("spec", .object([("cidrs", .list(IPFamily.allCases.map { .text(serviceRanges[$0] ?? "") }))])),
            ]),
            .object([
                ("apiVersion", .text("v1")), ("kind", .text("Node")),
                ("metadata", .object([("name", .text(nodeName))])),
                (
                    "status",
                    .object([
                        (
                            "addresses",
                            .list(
                                IPFamily.allCases.map {
                                    .object([("type", .text("InternalIP")), ("address", .text(node[$0] ?? ""))])
                                })
                        )
                    ])
                ),
            ]),
        ]
    }

    private static let transports = ["TCP", "UDP"]

    private func objects(_ service: Service) -> [ManifestValue] {
        let addresses = IPFamily.allCases.map { ManifestValue.text(service.clusterIP[$0] ?? "") }
        func ports(_ number: UInt16) -> ManifestValue {
            .list(
                Self.transports.map {
                    .object([
                        ("name", .text($0 == "TCP" ? "tcp" : "udp")), ("protocol", .text($0)),
                        ("port", .number(Int(number))),
                    ])
                })
        }
        let front = ManifestValue.object([
            ("apiVersion", .text("v1")), ("kind", .text("Service")), ("metadata", Self.metadata(service.name)),
            (
                "spec",
                .object([
                    ("clusterIP", addresses[0]), ("clusterIPs", .list(addresses)), ("ports", ports(Self.port)),
                ])
            ),
        ])
        let slices = IPFamily.allCases.map { family in
            let members = (service.endpoints[family] ?? []).enumerated().map { index, address in
                ManifestValue.object([
                    ("addresses", .list([.text(address)])), ("conditions", .object([("ready", .flag(true))])),
                    ("nodeName", .text(index % 4 == 0 ? Self.nodeName : "node-b")),
                ])
            }
            return ManifestValue.object([
                ("apiVersion", .text("discovery.k8s.io/v1")), ("kind", .text("EndpointSlice")),
                ("addressType", .text(family == .ipv4 ? "IPv4" : "IPv6")),
                (
                    "metadata",
                    Self.metadata(
                        "\(service.name)-\(family == .ipv4 ? 4 : 6)",
                        [("kubernetes.io/service-name", .text(service.name))])
                ), ("ports", ports(Self.targetPort)), ("endpoints", .list(members)),
            ])
        }
        return [front] + slices
    }
}
