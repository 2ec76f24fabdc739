import KubernetesModel
import NetworkTypes
import Testing

/// What becomes of a Service's fields.
@Suite struct ServiceRuleTests {
    private static func take(
        _ change: (inout ServiceFields) -> Void
    ) throws(FieldProblem) -> (service: Service, notes: [FieldNote]) {
        var fields = ServiceFields()
        fields.clusterIPs = ["10.96.0.1"]
        var port = ServiceFields.Port()
        port.port = 80
        fields.ports = [port]
        change(&fields)
        var service = Service(key: ObjectKey(namespace: "shop", name: "web"))
        var notes = FieldNotes()
        try service.take(fields, &notes)
        return (service, notes.all)
    }

    @Test(
        "a type that is not known is the least one that the other fields have a meaning for, and costs none of them",
        arguments: [
            (0, "", 0, Service.ServiceType.clusterIP), (30080, "", 0, .nodePort), (0, "192.0.2.1", 0, .loadBalancer),
            (30080, "192.0.2.1", 0, .loadBalancer), (0, "", 30500, .loadBalancer),
        ])
    func unknownType(
        _ nodePort: Int, _ address: String, _ check: Int, _ expected: Service.ServiceType
    ) throws {
        let (service, notes) = try Self.take {
            $0.type = "Tunnel"
            $0.ports[0].nodePort = nodePort
            $0.externalTrafficPolicy = "Local"
            $0.healthCheckNodePort = check
            $0.ingress = [("", "VIP")] + (address.isEmpty ? [] : [(address, "")])
        }
        #expect(service.type == expected)
        #expect(Int(service.ports[0].nodePort) == nodePort)
        #expect(service.loadBalancerIngress.map { "\($0.address)" } == (address.isEmpty ? [] : [address]))
        #expect(Int(service.healthCheckNodePort) == check)
        let said = notes.filter { $0.code == "invalid-value" }
        #expect(said.map(\.path.description) == ["spec.type"])
        #expect(said.first?.message.hasSuffix("; is served as \(expected.rawValue), by its other fields") == true)
    }

    @Test("node ports of a known type that has none are left out, also where the status has addresses")
    func knownType() throws {
        let (service, notes) = try Self.take {
            $0.type = "ClusterIP"
            $0.ports[0].nodePort = 30080
            $0.ingress = [("192.0.2.1", "")]
        }
        #expect(service.type == .clusterIP)
        #expect(service.ports[0].nodePort == 0)
        #expect(notes.map(\.path.description) == ["spec.ports[0].nodePort"])
    }

    @Test("nobody has the broadcast address: not a Service, not a load balancer, not an endpoint, not a Node")
    func broadcast() throws {
        for text in ["255.255.255.255", "::ffff:255.255.255.255", "255.255.255.0255"] {
            let (service, notes) = try Self.take {
                $0.externalIPs = [text, "192.0.2.1"]
                $0.clusterIPs = ["10.96.0.1", text]
                $0.type = "LoadBalancer"
                $0.ingress = [(text, ""), ("192.0.2.2", "")]
            }
            #expect(service.externalIPs.map { "\($0)" } == ["192.0.2.1"])
            #expect(service.clusterIPs.map { "\($0)" } == ["10.96.0.1"])
            #expect(service.loadBalancerIngress.map { "\($0.address)" } == ["192.0.2.2"])
            let messages = notes.filter { $0.code == "invalid-value" }.map(\.message)
            #expect(messages == Array(repeating: "255.255.255.255 is the broadcast address", count: 3))
            var left = FieldNotes()
            var node = Node(name: "a")
            node.addAddress(type: "InternalIP", text, 0, &left)
            #expect(node.internalIPs.isEmpty)
            #expect(left.all.count == 1)
        }
        let broadcast = try #require(IPAddress("255.255.255.255"))
        #expect(!EndpointSlice(key: ObjectKey(name: "s")).canHave(broadcast))
        #expect(throws: FieldProblem.self) { try Self.take { $0.clusterIPs = ["255.255.255.255"] } }
    }
}
