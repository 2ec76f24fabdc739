import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Testing

/// A cluster of the nodes a (this one) and b, whose Services the tests make.
struct Cluster {
    var options = DataplaneOptions()
    var objects: [ClusterObject] = []
    var servesExternalIPs = true

    init(_ services: (Service, [Endpoint])...) {
        options.localDetector = .clusterCIDRs([CIDR("10.128.0.0/16")].compactMap { $0 })
        for (number, name) in ["a", "b"].enumerated() {
            var node = Node(name: name)
            node.internalIPs = [IPAddress("172.30.0.1\(number + 1)")].compactMap { $0 }
            node.podCIDRs = [CIDR("10.128.\(number + 1).0/24")].compactMap { $0 }
            objects.append(.node(node))
        }
        objects.append(.serviceCIDR(ServiceCIDR(name: "kubernetes", cidrs: [CIDR("10.96.0.0/12")].compactMap { $0 })))
        for (service, endpoints) in services {
            var slice = EndpointSlice(
                key: ObjectKey(namespace: "default", name: service.key.name + "-1"), serviceName: service.key.name)
            slice.ports = [EndpointPort(name: "http", port: 8080)]
            slice.endpoints = endpoints
            objects += [.service(service), .endpointSlice(slice)]
        }
    }

    func situation() -> (Situation, [TableState]) {
        var settings = NodeSettings(nodeName: "a")
        settings.servesExternalIPs = servesExternalIPs
        var desired = DesiredState(
            options: options, settings: settings,
            host: HostFacts(addresses: []))
        _ = desired.load(objects.map { .applied($0) })
        let tables = desired.tables()
        let own = Set([IPAddress("172.30.0.11")].compactMap { $0 })
        return (
            Situation(
                cluster: desired.cluster, dataplane: desired.dataplane, node: desired.nodeContext, ownAddresses: own,
                healthChecks: desired.ledger.healthChecks), tables
        )
    }

    func ask(_ from: String, _ to: String) throws -> Explanation {
        let (situation, tables) = situation()
        let packet = try Question(from: from, to: to).packet(in: situation)
        let table = try #require(tables.first { $0.schema.family == packet.family })
        return Explainer(situation, Ruleset(table)).explain(packet)
    }
}

func endpoint(_ address: String, on node: String?, isReady: Bool = true) throws -> Endpoint {
    var endpoint = Endpoint(address: try #require(IPAddress(address)), nodeName: node)
    endpoint.isReady = isReady
    return endpoint
}

func web(_ change: (inout Service) -> Void = { _ in }) -> Service {
    var service = Service(key: ObjectKey(namespace: "default", name: "web"))
    service.type = .loadBalancer
    service.creationTimestamp = "2026-01-01T00:00:00Z"
    service.clusterIPs = [IPAddress("10.96.0.1")].compactMap { $0 }
    service.externalIPs = [IPAddress("10.251.0.1")].compactMap { $0 }
    service.loadBalancerIngress = [IPAddress("10.250.0.1")].compactMap { $0 }.map {
        Service.LoadBalancerIngress(address: $0)
    }
    service.ports = [ServicePort(name: "http", port: 80, nodePort: 30080)]
    change(&service)
    return service
}
