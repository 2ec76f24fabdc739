import KubernetesModel
import NetworkTypes

extension ManifestNode {
    /// `protocol`, by default TCP.
    fileprivate func transport() throws(FieldError) -> TransportProtocol {
        guard let node = self["protocol"] else { return .tcp }
        let text = try node.asString()
        return try node.checked(FieldRule.transport(text))
    }

    /// `name` of a port; empty if absent.
    fileprivate func portName(_ context: DecodeContext) throws(FieldError) -> String {
        guard let node = self["name"], !node.equals("") else { return "" }
        return try node.asName(.label, context)
    }
}

extension ObjectReader {
    /// Reads `spec.ports` of a Service.
    func servicePorts(_ spec: ManifestNode) throws(FieldError) -> [ServicePort] {
        var ports: [ServicePort] = []
        for node in try spec.list("ports") {
            let transport = try node.asMap().transport()
            guard let port = try node.port("port") else {
                throw FieldError(node: node, missing: "port", message: "is missing")
            }
            let nodePort = try node.port("nodePort", from: 0) ?? 0
            let name = try node.portName(context)
            ports.append(ServicePort(name: name, transport: transport, port: port, nodePort: nodePort))
        }
        return ports
    }

    /// Reads `ports` of an EndpointSlice.
    func endpointPorts() throws(FieldError) -> [EndpointPort] {
        var ports: [EndpointPort] = []
        for node in try root.list("ports") {
            let name = try node.asMap().portName(context)
            ports.append(EndpointPort(name: name, transport: try node.transport(), port: try node.port("port")))
        }
        return ports
    }
}
