import KubernetesModel
import NetworkTypes
import ServiceDataplane

/// What it means that there is no Node object of this node's name.
public enum NodeAbsence: Hashable, Sendable {
    /// Nothing: not everything has been read yet, or the object is there and is invalid.
    case undecided
    /// A mistake, if there are Node objects of other names. Manifests may do without any.
    case mistakeAmongOthers
    /// A mistake: an API server has a Node object for each node.
    ///
    /// - names: the names of other Nodes, empty if they cannot be had; nil while they are being asked for.
    case mistake(names: [String]?)
}

/// Compares what the operator said of the node with its Node object and its interfaces.
///
/// Each finding is of something that would otherwise be silent: rules are in force, and do not do what was meant.
struct NodeReview {
    let options: DataplaneOptions
    let settings: NodeSettings
    let node: Node?
    /// Families that have node ports on all addresses for want of a primary one.
    let familiesWithoutPrimary: [IPFamily]
    /// The names of the interfaces; nil if they are not known.
    let interfaces: [String]?

    private static let masqueradedPods =
        "pods count as clients outside: they are masqueraded on their way to ClusterIPs, and subject to "
        + "externalTrafficPolicy Local"

    private static let nobodyInside =
        "no pod can be told from a client outside: nothing is masqueraded on its way to a ClusterIP, and pods are subject "
        + "to externalTrafficPolicy Local as clients outside are"

    var findings: [Finding] { detection + familiesWithoutPrimary.map(openFamily) }

    private func finding(_ code: String, field: String = "", _ message: String) -> Finding {
        let subject = ObjectID(kind: .node, key: ObjectKey(name: settings.nodeName))
        return Finding(.warning, code: code, subject: subject, field: field, message: message)
    }

    // MARK: Which sources are in the cluster

    private var detection: [Finding] {
        switch options.localDetector {
        case .clusterCIDRs(let ranges): outside(ranges)
        case .nodeCIDRs: withoutPodCIDR
        case .bridge(let name):
            interface("--pod-bridge-interface", "there is no bridge \(name.quoted) on this host") { $0 == name }
        case .interfacePrefix(let prefix):
            interface(
                "--pod-interface-name-prefix",
                "no interface of this host has a name that begins with \(prefix.quoted)"
            ) { $0.hasPrefix(prefix) }
        }
    }

    private func outside(_ ranges: [CIDR]) -> [Finding] {
        if ranges.isEmpty {
            return [finding("no-cluster-cidr", "without --cluster-cidr \(Self.nobodyInside)")]
        }
        guard let node else { return [] }
        return node.podCIDRs.enumerated().compactMap { index, podCIDR in
            let ofFamily = ranges.filter { $0.family == podCIDR.family }
            if ofFamily.contains(where: { $0.contains(podCIDR) }) { return nil }
            let problem =
                ofFamily.isEmpty
                ? "has no range of its family in --cluster-cidr; without one \(Self.nobodyInside)"
                : "is outside of --cluster-cidr \(ofFamily.map(\.description).joined(separator: ",")): if this node's "
                    + "pods have addresses of it, \(Self.masqueradedPods); set clusterCIDR to the range of all pods"
            return finding(
                "pod-cidr-outside-cluster-cidr", field: "spec.podCIDRs[\(index)]", "\(podCIDR) \(problem)")
        }
    }

    private var withoutPodCIDR: [Finding] {
        guard let node, node.podCIDRs.isEmpty else { return [] }
        return [
            finding(
                "node-without-pod-cidr", field: "spec.podCIDRs",
                "is empty, and --detect-local-mode is NodeCIDR: so \(Self.masqueradedPods)")
        ]
    }

    private func interface(_ option: String, _ problem: String, _ isMeant: (String) -> Bool) -> [Finding] {
        guard let interfaces, !interfaces.contains(where: isMeant) else { return [] }
        return [
            finding(
                "no-pod-interface",
                "\(option): \(problem); while that is so, \(Self.masqueradedPods)")
        ]
    }

    // MARK: Node ports

    private func openFamily(_ family: IPFamily) -> Finding {
        let cause: (field: String, text: String)
        if let address = settings.primaryAddress, address.family == family {
            cause = ("", "--bind-address \(address) is a loopback address")
        } else if node == nil {
            cause = ("", "there is no Node object with an address of \(family)")
        } else {
            cause = ("status.addresses", "has no address of \(family)")
        }
        return finding(
            "no-primary-address", field: cause.field,
            "\(cause.text): node ports are served on all addresses of \(family), as with kube-proxy; "
                + "--nodeport-addresses with a range of \(family) says on which, "
                + "\(family == .ipv4 ? "127.0.0.0/8" : "::1/128") on none")
    }
}

/// What the node's own findings are made from, and whether its Node object is missing.
extension DesiredState {
    /// The taint of this node by which its operator drains it; nil if it has none.
    public var drainTaint: String? { cluster.node(settings.nodeName).flatMap(settings.drainTaints.first) }

    /// Whether there should be a Node object of this node's name, and is none.
    public var isNodeMissing: Bool {
        guard cluster.node(settings.nodeName) == nil else { return false }
        switch nodeAbsence {
        case .undecided: return false
        case .mistakeAmongOthers: return cluster.nodeCount > 0
        case .mistake: return true
        }
    }

    /// Looks again at what is wrong with the node.
    mutating func reviewNode() {
        let node = cluster.node(settings.nodeName)
        let review = NodeReview(
            options: options, settings: settings, node: node,
            familiesWithoutPrimary: settings.nodePortAddresses.familiesWithoutPrimary(
                node: node, host: host.addresses ?? [], override: settings.primaryAddress, outgoing: host.outgoing),
            interfaces: options.localDetector.needsInterfaces ? host.interfaces : nil)
        book.node = missingNode + review.findings
    }

    /// Nothing is said before it is known which Nodes there are instead: one line tells all.
    private var missingNode: [Finding] {
        guard isNodeMissing else { return [] }
        let names: [String]
        switch nodeAbsence {
        case .undecided, .mistake(nil): return []
        case .mistake(let told?): names = told
        case .mistakeAmongOthers: names = cluster.nodes.map(\.name)
        }
        let nearest = NearestNames.of(settings.nodeName, in: names)
        let hint =
            nearest.isEmpty
            ? "" : "; the nearest name\(nearest.count == 1 ? " is" : "s are") \(nearest.joined(separator: ", "))"
        return [
            Finding(
                .warning, code: "missing-node",
                subject: ObjectID(kind: .node, key: ObjectKey(name: settings.nodeName)),
                message:
                    "there is no Node of this name\(hint): endpoints of this node cannot be told from others, so that "
                    + "traffic under a Local policy is dropped, and its zone and addresses are not known; --node-name "
                    + "(hostnameOverride) has to be metadata.name of this node's Node object")
        ]
    }
}

extension LocalDetector {
    fileprivate var needsInterfaces: Bool {
        switch self {
        case .bridge, .interfacePrefix: true
        case .clusterCIDRs, .nodeCIDRs: false
        }
    }
}
