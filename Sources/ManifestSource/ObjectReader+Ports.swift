import KubernetesModel
import NetworkTypes

extension ObjectReader {
    /// Reads an entry of `spec.ports` of a Service.
    func servicePort(_ node: ManifestNode) throws(FieldError) -> ServiceFields.Port {
        var port = ServiceFields.Port()
        port.transport = try node.asMap().string("protocol") ?? ""
        guard let number = try node.number("port") else {
            throw FieldError(node: node, missing: "port", message: "is missing")
        }
        port.port = number
        port.nodePort = try node.number("nodePort") ?? 0
        port.name = try node.string("name", context) ?? ""
        return port
    }

    /// Reads `ports` of an EndpointSlice.
    func endpointPorts() throws(FieldError) -> [EndpointSlice.PortFields] {
        var ports: [EndpointSlice.PortFields] = []
        for node in try root.list("ports") {
            let name = try node.asMap().string("name", context) ?? ""
            ports.append((name, try node.string("protocol") ?? "", try node.number("port")))
        }
        return ports
    }
}
