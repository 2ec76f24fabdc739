/// What of an object only advice reads: one word in the object, which a daemon's objects leave empty.
///
/// Indirect, so that tables of tens of thousands of objects do not grow with it. The sources read it on demand.
public indirect enum Details<Value: Hashable & Sendable>: Hashable, Sendable {
    /// Nobody asked for it.
    case unread
    /// As it stands in the object.
    case read(Value)

    /// The details, if they were read.
    public var value: Value? {
        if case .read(let value) = self { value } else { nil }
    }
}

/// What advice needs to know of a Service besides what a node needs to know.
public struct ServiceDetails: Hashable, Sendable {
    /// `metadata.labels`.
    public var labels: [String: String] = [:]
    /// `metadata.annotations`, but for the copy of the object that `kubectl apply` leaves there.
    public var annotations: [String: String] = [:]
    /// `spec.loadBalancerClass`: who is to make the load balancer; nil for the cluster's own one.
    public var loadBalancerClass: String?
    /// `spec.allocateLoadBalancerNodePorts`, by default true.
    public var allocatesNodePorts = true
    /// `status.loadBalancer.ingress[].hostname`: load balancers that are known by a name, as in AWS.
    public var ingressHostnames: [String] = []

    /// Makes the details of a Service that has none of it.
    public init() {}
}

/// What advice needs to know of a Node besides what a node needs to know.
public struct NodeDetails: Hashable, Sendable {
    /// `metadata.labels`.
    public var labels: [String: String] = [:]
    /// `spec.providerID`, such as `aws:///eu-central-1a/i-0123`; nil if nobody set it.
    public var providerID: String?
    /// `spec.unschedulable`: the node is cordoned.
    public var isUnschedulable = false

    /// Makes the details of a node that has none of it.
    public init() {}
}
