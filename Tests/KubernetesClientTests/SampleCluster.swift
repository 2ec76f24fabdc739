import APIServerKit
import FairleadTestKit
import KubernetesModel
import NetworkTypes

/// Objects for tests.
enum SampleCluster {
    static func serviceKey(_ number: Int) -> ObjectKey { ObjectKey(namespace: "default", name: "service-\(number)") }

    static func service(_ number: Int, port: UInt16 = 80) -> ClusterObject {
        var service = Service(key: serviceKey(number))
        service.clusterIPs = [.v4(IPv4Address(rawValue: 0x0A60_0000 + UInt32(number)))]
        service.ports = [ServicePort(port: port)]
        return .service(service)
    }

    static func slice(_ number: Int, endpoint: UInt32 = 0) -> ClusterObject {
        let key = ObjectKey(namespace: "default", name: "service-\(number)-abcde")
        var slice = EndpointSlice(key: key, serviceName: serviceKey(number).name)
        slice.ports = [EndpointPort(port: 8080)]
        slice.endpoints = [Endpoint(address: .v4(IPv4Address(rawValue: 0x0A80_0000 + endpoint)), nodeName: "node1")]
        return .endpointSlice(slice)
    }

    static func node(_ name: String) -> ClusterObject {
        var node = Node(name: name)
        node.internalIPs = ["192.168.0.1"]
        return .node(node)
    }

    static let range = ClusterObject.serviceCIDR(
        ServiceCIDR(name: "kubernetes", cidrs: [CIDR("10.96.0.0/12")].compactMap { $0 }))

    /// A cluster with so many Services.
    static func fill(_ cluster: FakeCluster, services: Int = 20) {
        cluster.apply([node("node1"), range])
        cluster.apply((0..<services).flatMap { [service($0), slice($0)] })
    }
}
