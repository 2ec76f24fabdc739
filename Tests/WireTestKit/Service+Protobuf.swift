import KubernetesModel
import NetworkTypes

extension Service {
    /// `core/v1.Service`.
    func protobuf(_ metadata: EncodedMetadata) -> ProtobufMessage {
        var labels = details.value?.labels ?? [:]
        labels["service.kubernetes.io/service-proxy-name"] = serviceProxyName
        return ProtobufMessage {
            $0.message(
                1,
                metadata.message(
                    key, created: creationTimestamp, labels: labels,
                    annotations: (details.value?.annotations ?? [:]).merging(annotations) { $1 }))
            $0.message(2, specification)
            $0.message(3) {
                $0.message(1) {
                    for entry in loadBalancerIngress {
                        $0.message(1) {
                            $0.text(1, entry.address.description)
                            $0.text(2, "")
                            $0.text(3, entry.mode.rawValue)
                        }
                    }
                    for name in details.value?.ingressHostnames ?? [] { $0.message(1) { $0.text(2, name) } }
                }
            }
        }
    }

    private var specification: ProtobufMessage {
        let addresses = isHeadless ? ["None"] : clusterIPs.map(\.description)
        return ProtobufMessage {
            for port in ports { $0.message(1, port.protobuf) }
            $0.text(3, addresses.first ?? "")
            $0.text(4, type.rawValue)
            $0.texts(5, externalIPs.map(\.description))
            $0.text(7, sessionAffinity == .none ? "None" : "ClientIP")
            $0.text(8, "")
            $0.texts(9, loadBalancerSourceRanges.map(\.description))
            $0.text(10, type == .externalName ? "example.com" : "")
            $0.text(11, externalPolicyText)
            $0.integer(12, Int(healthCheckNodePort))
            $0.boolean(13, publishNotReadyAddresses)
            if case .clientIP(let seconds) = sessionAffinity {
                $0.message(14) { $0.message(1) { $0.integer(1, seconds) } }
            }
            $0.text(17, clusterIPs.count > 1 ? "RequireDualStack" : "SingleStack")
            $0.texts(18, addresses)
            $0.texts(19, clusterIPs.map(\.family.description))
            if let details = details.value {
                $0.boolean(20, details.allocatesNodePorts)
                $0.text(21, ifPresent: details.loadBalancerClass)
            }
            $0.text(22, internalTrafficPolicy.rawValue)
            $0.text(23, ifPresent: trafficDistribution)
        }
    }

    /// The API server leaves the field empty where it has no meaning.
    private var externalPolicyText: String {
        let isExternal = type == .nodePort || type == .loadBalancer || !externalIPs.isEmpty
        return isExternal || externalTrafficPolicy == .local ? externalTrafficPolicy.rawValue : ""
    }
}

extension ServicePort {
    fileprivate var protobuf: ProtobufMessage {
        ProtobufMessage {
            $0.text(1, name)
            $0.text(2, transport.kubernetesName)
            $0.integer(3, Int(port))
            $0.message(4) {
                $0.integer(1, 0)
                $0.integer(2, Int(port))
                $0.text(3, "")
            }
            $0.integer(5, Int(nodePort))
        }
    }
}
