import KubernetesModel
import NetworkTypes

extension ClusterObject {
    /// The object as the API server encodes it, without the envelope: an item of a list.
    ///
    /// What the model does not know (targets, selectors, owners) is left out.
    public func protobuf(_ metadata: EncodedMetadata = EncodedMetadata()) -> ProtobufMessage {
        switch self {
        case .service(let service): service.protobuf(metadata)
        case .endpointSlice(let slice): slice.protobuf(metadata)
        case .node(let node): node.protobuf(metadata)
        case .serviceCIDR(let range): range.protobuf(metadata)
        }
    }
}

extension EndpointSlice {
    /// `discovery/v1.EndpointSlice`.
    func protobuf(_ metadata: EncodedMetadata) -> ProtobufMessage {
        var labels: [String: String] = [:]
        labels["kubernetes.io/service-name"] = serviceName
        if isHeadless { labels["service.kubernetes.io/headless"] = "" }
        return ProtobufMessage {
            $0.message(1, metadata.message(key, labels: labels))
            for endpoint in endpoints { $0.message(2, endpoint.protobuf) }
            for port in ports { $0.message(3, port.protobuf) }
            $0.text(4, addressFamily?.description ?? "FQDN")
        }
    }
}

extension Endpoint {
    fileprivate var protobuf: ProtobufMessage {
        ProtobufMessage {
            $0.text(1, address.description)
            $0.message(2) {
                $0.boolean(1, isReady)
                $0.boolean(2, isServing)
                $0.boolean(3, isTerminating)
            }
            $0.text(6, ifPresent: nodeName)
            $0.text(7, ifPresent: zone)
            guard let hints else { return }
            $0.message(8) {
                for zone in hints.zones { $0.message(1) { $0.text(1, zone) } }
                for node in hints.nodes { $0.message(2) { $0.text(1, node) } }
            }
        }
    }
}

extension EndpointPort {
    fileprivate var protobuf: ProtobufMessage {
        ProtobufMessage {
            $0.text(1, name)
            $0.text(2, transport.kubernetesName)
            if let port { $0.integer(3, Int(port)) }
        }
    }
}

extension Node {
    /// `core/v1.Node`.
    func protobuf(_ metadata: EncodedMetadata) -> ProtobufMessage {
        var labels = details.value?.labels ?? [:]
        labels["topology.kubernetes.io/zone"] = zone
        return ProtobufMessage {
            $0.message(
                1, metadata.message(ObjectKey(name: name), isBeingDeleted: isBeingDeleted, labels: labels))
            $0.message(2) {
                $0.text(1, podCIDRs.first?.description ?? "")
                $0.text(3, details.value?.providerID ?? "")
                $0.boolean(4, details.value?.isUnschedulable ?? false)
                for taint in taints {
                    $0.message(5) {
                        $0.text(1, taint)
                        $0.text(2, "")
                        $0.text(3, "NoSchedule")
                    }
                }
                $0.texts(7, podCIDRs.map(\.description))
            }
            $0.message(3) {
                for address in internalIPs { $0.message(5, nodeAddress("InternalIP", address.description)) }
                for address in externalIPs { $0.message(5, nodeAddress("ExternalIP", address.description)) }
                $0.message(5, nodeAddress("Hostname", name))
            }
        }
    }

    private func nodeAddress(_ type: String, _ address: String) -> ProtobufMessage {
        ProtobufMessage {
            $0.text(1, type)
            $0.text(2, address)
        }
    }
}

extension ServiceCIDR {
    /// `networking/v1.ServiceCIDR`.
    func protobuf(_ metadata: EncodedMetadata) -> ProtobufMessage {
        ProtobufMessage {
            $0.message(1, metadata.message(ObjectKey(name: name)))
            $0.message(2) { $0.texts(1, cidrs.map(\.description)) }
            $0.message(3) { _ in }
        }
    }
}

extension TransportProtocol {
    /// The spelling of the API.
    var kubernetesName: String { description.uppercased() }
}
