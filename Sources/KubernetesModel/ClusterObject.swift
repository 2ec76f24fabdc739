/// An object of one of the kinds that the dataplane is made from.
///
/// Indirect, so that tables of tens of thousands of objects are copied by reference.
public indirect enum ClusterObject: Hashable, Sendable {
    /// A Service.
    case service(Service)
    /// An EndpointSlice.
    case endpointSlice(EndpointSlice)
    /// A Node.
    case node(Node)
    /// A ServiceCIDR.
    case serviceCIDR(ServiceCIDR)

    /// Kind, namespace and name.
    public var id: ObjectID {
        switch self {
        case .service(let object): ObjectID(kind: .service, key: object.key)
        case .endpointSlice(let object): ObjectID(kind: .endpointSlice, key: object.key)
        case .node(let object): ObjectID(kind: .node, key: ObjectKey(name: object.name))
        case .serviceCIDR(let object): ObjectID(kind: .serviceCIDR, key: ObjectKey(name: object.name))
        }
    }
}

/// What names an object among all objects of a cluster.
public struct ObjectID: Hashable, Sendable, Comparable {
    /// The kinds that the dataplane is made from.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// `v1` Service.
        case service = "Service"
        /// `discovery.k8s.io/v1` EndpointSlice.
        case endpointSlice = "EndpointSlice"
        /// `v1` Node.
        case node = "Node"
        /// `networking.k8s.io/v1` (or an older version) ServiceCIDR.
        case serviceCIDR = "ServiceCIDR"
    }

    /// The kind.
    public var kind: Kind
    /// Namespace and name.
    public var key: ObjectKey

    /// Makes an identity.
    public init(kind: Kind, key: ObjectKey) {
        self.kind = kind
        self.key = key
    }

    /// Objects sort by kind, then key.
    public static func < (lhs: ObjectID, rhs: ObjectID) -> Bool {
        (lhs.kind.rawValue, lhs.key) < (rhs.kind.rawValue, rhs.key)
    }
}

extension ObjectID: CustomStringConvertible {
    /// `Kind namespace/name`.
    public var description: String { "\(kind.rawValue) \(key)" }
}

/// A change of the cluster's state.
public enum ClusterChange: Hashable, Sendable {
    /// The object was made, or is now this one.
    case applied(ClusterObject)
    /// The object is gone.
    case deleted(ObjectID)
    /// Of this kind exactly the objects with these keys exist; all others are gone. What a complete list says: a source
    /// need not remember what it has told. Stands after the changes that apply the objects of that list.
    case retained(ObjectID.Kind, Set<ObjectKey>)
}
