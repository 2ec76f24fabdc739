import KubernetesModel

/// What stands in front of a Service, and what says so.
struct LoadBalancer: Hashable, Sendable {
    /// The kind; nil if nothing tells it.
    var kind: LoadBalancerKind?
    /// What says so, without a period.
    var because: String

    /// The guess as a fact of a finding.
    var evidence: Evidence {
        Evidence("loadBalancer", "the load balancer is taken to be \(kind?.title ?? "of an unknown kind"): \(because)")
    }

    private init(_ kind: LoadBalancerKind?, _ because: String) {
        self.kind = kind
        self.because = because
    }

    /// - Parameters:
    ///   - said: what the operator says.
    ///   - provider: the scheme of the Nodes' providerIDs, such as `aws`.
    init(of service: Service, said: LoadBalancerKind?, provider: String?) {
        let isBalanced = service.type == .loadBalancer
        if let said, isBalanced {
            self.init(said, "said with --load-balancer")
        } else if let guess = Self.guess(service.details.value ?? ServiceDetails(), isBalanced: isBalanced) {
            self = guess
        } else if isBalanced, let kind = provider.flatMap(Self.kind(provider:)) {
            self.init(kind, "the Nodes' providerID begins with \(provider ?? "")://")
        } else {
            self.init(nil, "neither class nor annotations nor Nodes tell")
        }
    }

    private static func kind(provider: String) -> LoadBalancerKind? {
        switch provider {
        case "aws": .awsNLBInstance
        case "azure": .azure
        case "gce": .gcp
        default: nil
        }
    }

    private static func guess(_ details: ServiceDetails, isBalanced: Bool) -> LoadBalancer? {
        // GKE gives Services of every type this annotation; a passthrough load balancer of type LoadBalancer has nodes as
        // its targets all the same (GCE_VM_IP).
        if !isBalanced {
            guard let groups = details.annotations[Key.googleGroups], !groups.isEmpty else { return nil }
            return LoadBalancer(.gcpNEG, "annotation \(Key.googleGroups)")
        }
        return byClass(details) ?? byAnnotation(details) ?? byHostname(details)
    }

    private static func byClass(_ details: ServiceDetails) -> LoadBalancer? {
        guard let name = details.loadBalancerClass, !name.isEmpty else { return nil }
        let because = "loadBalancerClass \(name)"
        let target = details.annotations[Key.awsTarget]
        if name == "service.k8s.aws/nlb" {
            return LoadBalancer(target == "ip" ? .awsNLBIP : .awsNLBInstance, because)
        }
        // EKS Auto Mode has pods as targets unless the annotation says otherwise.
        if name == "eks.amazonaws.com/nlb" {
            return LoadBalancer(target == "instance" ? .awsNLBInstance : .awsNLBIP, because)
        }
        if name.hasPrefix("networking.gke.io/") { return LoadBalancer(.gcp, because) }
        if name.hasPrefix("metallb.") { return LoadBalancer(.metalLB, because) }
        return byAnnotation(details) ?? LoadBalancer(nil, "\(because) is not known to advice")
    }

    private static func byAnnotation(_ details: ServiceDetails) -> LoadBalancer? {
        let target = details.annotations[Key.awsTarget]
        switch details.annotations[Key.awsType] {
        case "nlb-ip"?: return LoadBalancer(.awsNLBIP, "annotation \(Key.awsType): nlb-ip")
        case let type? where type == "external" || type == "nlb":
            let because = "annotation \(Key.awsType): \(type)" + (target.map { ", target type \($0)" } ?? "")
            return LoadBalancer(target == "ip" ? .awsNLBIP : .awsNLBInstance, because)
        default: break
        }
        let prefixes: [(String, LoadBalancerKind)] = [
            ("metallb.io/", .metalLB), ("metallb.universe.tf/", .metalLB),
            ("service.beta.kubernetes.io/azure-", .azure),
            ("service.beta.kubernetes.io/aws-", target == "ip" ? .awsNLBIP : .awsNLBInstance),
            ("networking.gke.io/", .gcp), ("cloud.google.com/l4-", .gcp), ("cloud.google.com/load-balancer-type", .gcp),
            ("cis.f5.com/", .external), ("service.citrix.com/", .external),
        ]
        for key in details.annotations.keys.sorted() {
            if let kind = prefixes.first(where: { key.hasPrefix($0.0) })?.1 {
                return LoadBalancer(kind, "annotation \(key)")
            }
        }
        return nil
    }

    private static func byHostname(_ details: ServiceDetails) -> LoadBalancer? {
        guard let name = details.ingressHostnames.first(where: { $0.hasSuffix(".amazonaws.com") }) else { return nil }
        return LoadBalancer(.awsNLBInstance, "its host name is \(name)")
    }

    /// Annotations of load balancers.
    enum Key {
        static let awsType = "service.beta.kubernetes.io/aws-load-balancer-type"
        static let awsTarget = "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type"
        static let awsTargetGroup = "service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"
        static let awsNodeLabels = "service.beta.kubernetes.io/aws-load-balancer-target-node-labels"
        static let awsCheckPort = "service.beta.kubernetes.io/aws-load-balancer-healthcheck-port"
        static let awsCheckProtocol = "service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol"
        static let googleGroups = "cloud.google.com/neg"
        static let googleWeights = "networking.gke.io/weighted-load-balancing"
    }
}
