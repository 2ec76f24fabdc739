import KubernetesModel
import NetworkTypes
import ServicePolicy

extension HTTPAnswer {
    /// `/healthz`: whether the proxy does its work and load balancers may count on the node. kube-proxy's JSON.
    public static func healthz(_ state: HealthState, at now: Moment) -> HTTPAnswer {
        proxyHealth(state, at: now, nodeEligible: state.eligibility == .eligible)
    }

    /// `/livez`: whether the proxy does its work; a node that is about to be removed still needs it. kube-proxy's JSON.
    public static func livez(_ state: HealthState, at now: Moment) -> HTTPAnswer {
        proxyHealth(state, at: now, nodeEligible: nil)
    }

    /// `lastUpdated` is the present time in an answer 200: so it is with kube-proxy, where it once was the last round of a
    /// loop that ran even without a change.
    private static func proxyHealth(_ state: HealthState, at now: Moment, nodeEligible: Bool?) -> HTTPAnswer {
        let isHealthy = state.isHealthy(at: now)
        let isGood = isHealthy && nodeEligible != false
        let last = state.lastUpdated?.timestamp ?? neverUpdated
        var body = "{\"lastUpdated\":\"\(isGood ? now.timestamp : last)\",\"currentTime\":\"\(now.timestamp)\""
        if let nodeEligible { body += ",\"nodeEligible\":\(nodeEligible)" }
        body += ",\"healthy\":\(isHealthy)"
        if state.lastUpdated != nil {
            // Both families' tables change in the same transactions.
            let families = ["IPv4", "IPv6"].map { "\"\($0)\":{\"lastUpdated\":\"\(last)\",\"healthy\":\(isHealthy)}" }
            body += ",\"status\":{\(families.joined(separator: ","))}"
        }
        return .json(body + "}", status: isGood ? 200 : 503)
    }

    /// Go's zero time.
    private static let neverUpdated = "0001-01-01T00:00:00Z"

    /// The answer of a health check port: whether a load balancer may send this node traffic of the Service. Whether the
    /// node is about to go plays no part, unless its operator drains it by a taint. Byte for byte kube-proxy's.
    ///
    /// - Parameters:
    ///   - check: The Service and its endpoints on this node.
    ///   - family: The family that the question came by; each counts its own endpoints.
    ///   - isHealthy: Whether the proxy does its work.
    ///   - isDraining: Whether the node has a taint by which its operator drains it.
    public static func serviceHealth(
        _ check: HealthCheck, _ family: IPFamily, isHealthy: Bool, isDraining: Bool = false
    ) -> HTTPAnswer {
        let count = check.localEndpoints[family] ?? 0
        let weight = isDraining ? 0 : check.localWeights[family] ?? count
        let body = """
            {
            \t"service": {
            \t\t"namespace": \(quoted(check.key.namespace)),
            \t\t"name": \(quoted(check.key.name))
            \t},
            \t"localEndpoints": \(count),
            \t"serviceProxyHealthy": \(isHealthy)
            }
            """
        return .json(
            body, status: count > 0 && isHealthy && !isDraining ? 200 : 503,
            extra: [Header("X-Load-Balancing-Endpoint-Weight", String(weight))])
    }

    /// Names from manifests have been seen by no API server: they may hold anything.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case _ where scalar.value < 32 || scalar.value == 127:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
