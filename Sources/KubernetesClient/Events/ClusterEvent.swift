import KubernetesModel

/// Something that an operator should find with `kubectl get events` or `kubectl describe`: an Event of
/// `events.k8s.io/v1`.
public struct ClusterEvent: Hashable, Sendable {
    /// `type`.
    public enum Severity: String, Hashable, Sendable {
        /// Good to know.
        case normal = "Normal"
        /// Something is wrong.
        case warning = "Warning"
    }

    /// `regarding`: the object that it is about.
    public struct Subject: Hashable, Sendable {
        /// `apiVersion`.
        public var apiVersion: String
        /// `kind`.
        public var kind: String
        /// `namespace`; empty for a cluster-scoped object.
        public var namespace: String
        /// `name`.
        public var name: String
        /// `uid`; empty if it is not known.
        public var uid: String

        /// Names an object.
        public init(apiVersion: String, kind: String, namespace: String = "", name: String, uid: String = "") {
            self.apiVersion = apiVersion
            self.kind = kind
            self.namespace = namespace
            self.name = name
            self.uid = uid
        }

        /// Names a node as kube-proxy and kubelet do: with its name in place of a UID.
        public static func node(_ name: String) -> Subject {
            Subject(apiVersion: "v1", kind: "Node", name: name, uid: name)
        }

        /// Names an object of a kind that the dataplane is made from.
        public static func object(_ id: ObjectID) -> Subject {
            let version =
                switch id.kind {
                case .service, .node: "v1"
                case .endpointSlice: "discovery.k8s.io/v1"
                case .serviceCIDR: "networking.k8s.io/v1"
                }
            return Subject(
                apiVersion: version, kind: id.kind.rawValue, namespace: id.key.namespace, name: id.key.name)
        }
    }

    /// `regarding`.
    public var subject: Subject
    /// `type`.
    public var severity: Severity
    /// `reason`: why, one word in camel case.
    public var reason: String
    /// `action`: what was done or tried, one word in camel case.
    public var action: String
    /// `note`: a sentence for people.
    public var note: String

    /// Describes an event.
    public init(_ severity: Severity, _ subject: Subject, reason: String, action: String, note: String) {
        self.severity = severity
        self.subject = subject
        self.reason = reason
        self.action = action
        self.note = note
    }
}
