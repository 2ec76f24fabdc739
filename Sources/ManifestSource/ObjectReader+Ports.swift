import KubernetesModel
import NetworkTypes

/// A port number of one protocol.
private struct ProtocolPort: Hashable {
    var port: UInt16
    var transport: TransportProtocol

    var description: String { "\(port)/\("\(transport)".uppercased())" }
}

extension ManifestNode {
    /// `protocol`, by default TCP.
    fileprivate func transport() throws(FieldError) -> TransportProtocol {
        guard let node = self["protocol"] else { return .tcp }
        let text = try node.asString()
        if text.isEmpty { return .tcp }
        guard let transport = TransportProtocol(kubernetes: text) else {
            throw node.error("must be TCP, UDP or SCTP, is \(text.quoted)")
        }
        return transport
    }

    /// `name` of a port; empty if absent.
    fileprivate func portName(_ strings: StringPool) throws(FieldError) -> String {
        guard let node = self["name"], !node.equals("") else { return "" }
        return try node.asName(.label, strings)
    }
}

extension ObjectReader {
    /// Reads `spec.ports` of a Service.
    func readPorts(_ spec: ManifestNode, into service: inout Service) throws(FieldError) {
        let allowsNodePort = service.type == .nodePort || service.type == .loadBalancer
        for node in try spec.list("ports") {
            let transport = try node.asMap().transport()
            guard let port = try node.port("port") else {
                throw FieldError(node: node, missing: "port", message: "is missing")
            }
            let nodePort = try node.port("nodePort", from: 0) ?? 0
            if nodePort != 0, !allowsNodePort, let field = node["nodePort"] {
                throw field.error("needs type NodePort or LoadBalancer, which is \(service.type.rawValue)")
            }
            service.ports.append(
                ServicePort(
                    name: try node.portName(context.strings), transport: transport, port: port, nodePort: nodePort))
        }
        if service.ports.isEmpty, !service.isHeadless, service.type != .externalName {
            throw FieldError(node: spec, missing: "ports", message: "must have at least one port")
        }
        if service.ports.count > 1 { try checkUnique(service.ports, spec) }
    }

    private func checkUnique(_ ports: [ServicePort], _ spec: ManifestNode) throws(FieldError) {
        var names: [String: Int] = [:]
        var fronts: [ProtocolPort: Int] = [:]
        var nodePorts: [ProtocolPort: Int] = [:]
        for (index, node) in try spec.list("ports").enumerated() {
            let port = ports[index]
            if port.name.isEmpty {
                throw FieldError(node: node, missing: "name", message: "is missing; each of several ports needs a name")
            }
            if let other = names.updateValue(index, forKey: port.name) {
                throw try node.required("name").error("\(port.name.quoted) is the name of spec.ports[\(other)]")
            }
            let front = ProtocolPort(port: port.port, transport: port.transport)
            if let other = fronts.updateValue(index, forKey: front) {
                throw try node.required("port").error("\(front.description) is taken by spec.ports[\(other)]")
            }
            let nodePort = ProtocolPort(port: port.nodePort, transport: port.transport)
            if port.nodePort != 0, let other = nodePorts.updateValue(index, forKey: nodePort) {
                throw try node.required("nodePort").error("\(nodePort.description) is taken by spec.ports[\(other)]")
            }
        }
    }

    /// Reads `ports` of an EndpointSlice.
    func endpointPorts() throws(FieldError) -> [EndpointPort] {
        var ports: [EndpointPort] = []
        var names: Set<String> = []
        for node in try root.list("ports") {
            let name = try node.asMap().portName(context.strings)
            if !names.insert(name).inserted {
                let message = name.isEmpty ? "only one port may go without a name" : "\(name.quoted) stands twice"
                throw FieldError(node: node, missing: "name", message: message)
            }
            ports.append(EndpointPort(name: name, transport: try node.transport(), port: try node.port("port")))
        }
        return ports
    }
}
