import KubernetesModel
import LoadBalancing

/// A pool for programs: one object in one line.
enum PoolJSON {
    static func line(_ pool: NodePool) -> String {
        var port = "{\"name\":\(JSONText.string(pool.port.name)),\"protocol\":\"\(pool.port.transport)\""
        port += ",\"port\":\(pool.port.port),\"nodePort\":\(pool.port.nodePort)}"
        var fields = [
            "\"namespace\":\(JSONText.string(pool.service.namespace))",
            "\"name\":\(JSONText.string(pool.service.name))",
            "\"port\":\(port)", "\"family\":\"\(pool.family)\"", "\"policy\":\"\(pool.policy.rawValue)\"",
        ]
        if pool.healthCheckNodePort != 0 { fields.append("\"healthCheckNodePort\":\(pool.healthCheckNodePort)") }
        fields.append("\"nodes\":[\(pool.members.map(text).joined(separator: ","))]")
        return "{\(fields.joined(separator: ","))}\n"
    }

    private static func text(_ member: NodePool.Member) -> String {
        var text = "{\"node\":\(JSONText.string(member.node))"
        if let address = member.address { text += ",\"address\":\"\(address)\"" }
        text += ",\"state\":\"\(member.standing.isIn ? "ready" : "drain")\",\"weight\":\(member.weight)"
        text += ",\"reason\":\"\(member.standing.rawValue)\",\"readyEndpoints\":\(member.readyEndpoints)"
        return text + ",\"terminatingEndpoints\":\(member.terminatingEndpoints)}"
    }
}
