/// Labels and annotations that mean something to the dataplane.
package enum MetadataKey {
    /// The label that names the Service of an EndpointSlice.
    package static let serviceName: StaticString = "kubernetes.io/service-name"
    /// The label of EndpointSlices of headless Services; its value does not matter.
    package static let headless: StaticString = "service.kubernetes.io/headless"
    /// The label of Services that another proxy is responsible for.
    package static let serviceProxyName: StaticString = "service.kubernetes.io/service-proxy-name"
    /// The label that has a node's zone.
    package static let zone: StaticString = "topology.kubernetes.io/zone"
    /// The label of nodes that load balancers outside the cluster leave out; its value does not matter.
    package static let excludedFromLoadBalancers: StaticString =
        "node.kubernetes.io/exclude-from-external-load-balancers"
    /// The annotation that came before `spec.loadBalancerSourceRanges`; still read where the field is empty.
    package static let sourceRanges: StaticString = "service.beta.kubernetes.io/load-balancer-source-ranges"
    /// The annotation that says when what an EndpointSlice tells of happened.
    package static let lastChangeTrigger: StaticString = "endpoints.kubernetes.io/last-change-trigger-time"
    /// The annotation that says what the endpoints of an EndpointSlice weigh.
    package static let weight: StaticString = "service.cilium.io/weight"
    /// The annotation in which `kubectl apply` keeps a copy of the object.
    package static let lastApplied: StaticString = "kubectl.kubernetes.io/last-applied-configuration"
    /// What annotations of Fairlead's own begin with.
    package static let ownPrefix: StaticString = "fairlead.dev/"
}

extension ObjectID.Kind {
    /// The API group; empty for the core group.
    package var group: String {
        switch self {
        case .service, .node: ""
        case .endpointSlice: "discovery.k8s.io"
        case .serviceCIDR: "networking.k8s.io"
        }
    }

    /// The values of `apiVersion` whose fields are known. `v1beta1` of EndpointSlice had other fields for topology.
    package var versions: [String] {
        switch self {
        case .service, .node: ["v1"]
        case .endpointSlice: ["discovery.k8s.io/v1"]
        case .serviceCIDR: ["networking.k8s.io/v1", "networking.k8s.io/v1beta1", "networking.k8s.io/v1alpha1"]
        }
    }
}
