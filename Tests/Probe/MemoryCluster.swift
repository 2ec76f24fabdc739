import KubernetesModel
import NetworkTypes

/// A cluster in memory, like the one of `fairlead-bench`: each Service follows from its number alone.
struct MemoryCluster {
    let services: Int
    /// Endpoints of a slice.
    let endpoints: Int
    /// Slices of a Service.
    var slices = 1

    static let nodeName = "node-000.bench.example"
    private static let nodes = 100
    private static let teams = ["payments", "search", "catalog", "identity", "shipping", "media", "ledger", "support"]

    /// All objects.
    func changes(_ range: Range<Int>) -> [ClusterChange] {
        range.flatMap { number in
            [.applied(.service(service(number)))]
                + (0..<slices).map { .applied(.endpointSlice(slice(number, part: $0))) }
        }
    }

    /// Nodes and ranges.
    var clusterChanges: [ClusterChange] {
        var changes: [ClusterChange] = []
        for number in 0..<Self.nodes {
            var node = Node(name: Self.node(number))
            node.zone = "zone-\(number % 3)"
            node.internalIPs = [.v4(IPv4Address(rawValue: 172 << 24 | 30 << 16 | UInt32(number + 10)))]
            changes.append(.applied(.node(node)))
        }
        return changes
    }

    /// Made once: sources see to it that equal names share their storage.
    private static let nodeNames = (0..<nodes).map { makeNodeName($0) }

    private static func node(_ number: Int) -> String { nodeNames[number] }

    private static func makeNodeName(_ number: Int) -> String {
        let digits = String(number)
        return "node-" + String(repeating: "0", count: max(0, 3 - digits.count)) + digits + ".bench.example"
    }

    private func key(_ number: Int) -> ObjectKey {
        let team = Self.teams[number % Self.teams.count]
        return ObjectKey(namespace: team, name: "\(team)-backend-\(1_000_000 + number)")
    }

    private func service(_ number: Int) -> Service {
        var service = Service(key: key(number))
        service.creationTimestamp = "2026-0\(1 + number % 6)-1\(number % 10)T0\(number % 9):00:00Z"
        service.clusterIPs = [.v4(IPv4Address(rawValue: 10 << 24 | 96 << 16 + UInt32(number + 10)))]
        service.ports = [ServicePort(name: "http", transport: .tcp, port: 80)]
        let nodePort = 30_000 + number / 10
        if number % 20 == 19, nodePort < 32_768 {
            service.type = .nodePort
            service.ports[0].nodePort = UInt16(nodePort)
        }
        return service
    }

    /// A slice of a Service.
    ///
    /// - Parameters:
    ///   - part: which of its slices.
    ///   - change: gives the first endpoint another address, one for each number.
    func slice(_ number: Int, part: Int = 0, change: Int? = nil) -> EndpointSlice {
        let owner = key(number)
        var slice = EndpointSlice(
            key: ObjectKey(namespace: owner.namespace, name: owner.name + "-x7k2p\(part == 0 ? "" : "\(part)")"),
            serviceName: owner.name)
        slice.ports = [EndpointPort(name: "http", transport: .tcp, port: 8080)]
        slice.endpoints = (0..<endpoints).map { index in
            let sequence = (number * slices + part) * endpoints + index
            let node = (sequence * 37 + sequence / Self.nodes * 61) % Self.nodes
            var address = UInt32(10 << 24) | UInt32(128 + node) << 16 | UInt32(sequence / Self.nodes + 2)
            if index == 0, let change { address = UInt32(11 << 24) + UInt32(change) }
            var endpoint = Endpoint(address: .v4(IPv4Address(rawValue: address)), nodeName: Self.node(node))
            endpoint.zone = "zone-\(node % 3)"
            return endpoint
        }
        return slice
    }
}
