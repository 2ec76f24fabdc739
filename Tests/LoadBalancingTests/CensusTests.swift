import DataplaneTestKit
import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

/// Endpoints counted for all nodes at once, against the pools of each node.
struct CensusTests {
    private static let names = ["node1", "node2", "node3"]

    /// Slices whose entries contradict each other, as they do when Pods' addresses are used again.
    private func slices(_ random: inout SeededGenerator) -> [EndpointSlice] {
        let weighs = random.oneIn(2)
        return (0..<3).map { number in
            var slice = EndpointSlice(key: ObjectKey(namespace: "default", name: "web-\(number)"), serviceName: "web")
            slice.isHeadless = random.oneIn(8)
            if weighs { slice.weight = [nil, 0, 100, 50, 10][Int.random(in: 0..<5, using: &random)] }
            if random.oneIn(8) { slice.addressFamily = .ipv6 }
            slice.ports = [EndpointPort(name: random.oneIn(8) ? "other" : "http", port: random.oneIn(8) ? nil : 8080)]
            for _ in 0..<6 {
                let address = IPAddress.v4(
                    IPv4Address(rawValue: 0x0A80_0000 + UInt32.random(in: 1...5, using: &random)))
                var endpoint = Endpoint(address: address)
                if !random.oneIn(4) { endpoint.nodeName = Self.names[Int.random(in: 0..<3, using: &random)] }
                endpoint.isReady = random.oneIn(2)
                endpoint.isServing = !random.oneIn(3)
                endpoint.isTerminating = random.oneIn(2)
                slice.endpoints.append(endpoint)
            }
            return slice
        }
    }

    @Test("the count of each node is that of its own local pool", arguments: 0..<300 as Range<UInt64>)
    func agreesWithSelection(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let slices = slices(&random)
        let port = ServicePort(name: "http", port: 80, nodePort: 30080)
        let census = EndpointCensus(port: port, family: .ipv4, slices: slices)
        for name in Self.names {
            let selection = EndpointSelection(
                port: port, family: .ipv4, slices: slices, node: NodeContext(nodeName: name))
            let ready = census.ready[name] ?? 0
            #expect((ready > 0) == selection.isLocalPoolReady)
            let pool = Set(selection.localPool)
            #expect((ready > 0 ? ready : census.terminating[name] ?? 0) == pool.count)
            // What the slots say of the endpoints here, the weight says of the node.
            let weight = ready > 0 ? census.readyWeight[name] ?? 0 : census.terminatingWeight[name] ?? 0
            #expect((weight > 0) == !pool.isEmpty)
            if slices.allSatisfy({ $0.weight == nil }) { #expect(weight == pool.count) }
        }
    }
}
