import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Looks at the Services of a cluster, for all of its nodes at once, and says what will hurt.
///
/// It judges by Services, EndpointSlices and Nodes alone. What these cannot tell (does a pod need the client's address? do nodes
/// come and go?) it takes from signs, and each finding names them. `docs/advice.md` explains every rule.
public struct Advisor: Sendable {
    let cluster: ClusterState
    let options: AdviceOptions
    private let facts: ClusterFacts
    /// The external IPs of Services that nodes do not serve. The Services here have none.
    private let unservedAddresses: [ObjectKey: [IPAddress]]
    private let unreadable: [Finding]
    private let oddValues: [Finding]

    /// Looks at the cluster as a whole.
    ///
    /// - Parameters:
    ///   - cluster: The objects, with their details.
    ///   - findings: What the source says of its objects.
    public init(_ cluster: ClusterState, options: AdviceOptions = AdviceOptions(), findings: [Finding] = []) {
        self.options = options
        if options.servesExternalIPs {
            self.cluster = cluster
            unservedAddresses = [:]
        } else {
            (self.cluster, unservedAddresses) = cluster.withoutExternalIPs()
        }
        facts = ClusterFacts(self.cluster, options: options)
        unreadable = findings.filter { $0.severity == .error && $0.subject != nil }
        oddValues = findings.filter { Self.codes[$0.code] != nil && $0.subject != nil }
    }

    /// Where the cluster is taken to run, and what says so, in words.
    public var environment: String { facts.place.evidence.text }

    /// The Services that advice looks at, sorted: those that the dataplane serves.
    public var services: [ObjectKey] {
        cluster.serviceKeys.filter { key in
            cluster.service(key).flatMap {
                ServiceCase($0, slices: [], facts: facts, options: options)
            } != nil
        }
    }

    /// What there is to say of some Services, or of all objects: severe findings first.
    ///
    /// Codes that options or the Service's annotation (`Service.ignoreAnnotation`) silence are left out.
    public func findings(of keys: [ObjectKey]? = nil) -> [AdviceFinding] {
        var result: [AdviceFinding] = []
        for key in keys ?? cluster.serviceKeys {
            guard let service = cluster.service(key),
                let subject = ServiceCase(service, slices: cluster.slices(of: key), facts: facts, options: options)
            else { continue }
            let ignored = options.ignored.union(subject.ignored)
            result += (subject.findings + unservedExternalIPs(of: subject)).filter { !ignored.contains($0.code) }
        }
        if !options.ignored.contains(.invalidObject) { result += invalidObjects(keys) }
        result += oddValues(keys)
        if keys == nil {
            let ofNodes = nodeFindings + evictionsBeforeWithdrawal(facts)
            result += ofNodes.filter { !options.ignored.contains($0.code) }
        }
        return result.sorted(by: AdviceFinding.precedes)
    }

    /// External IPs that the operator does not want served: clients get no answer there.
    ///
    /// Source: KEP-5707, the feature gate `AllowServiceExternalIPs`.
    private func unservedExternalIPs(of subject: ServiceCase) -> [AdviceFinding] {
        guard let addresses = unservedAddresses[subject.service.key] else { return [] }
        let list = Words.list(addresses.map { "\($0)" })
        var finding = subject.finding(.externalIPsNotServed, "external IPs are not served on the nodes: \(list)")
        finding.evidence = [Evidence("option", NodeContext.withoutExternalIPs)]
        finding.remedies = [
            "use type LoadBalancer, whose addresses a controller assigns", "or take externalIPs out of the Service",
        ]
        return [finding]
    }

    /// What annotations ask to silence and nobody says: misspelt codes, with the Service that has them.
    public var unknownCodes: [(service: ObjectKey, code: String)] {
        cluster.serviceKeys.flatMap { key in
            let text = cluster.service(key)?.annotations[Service.ignoreAnnotation] ?? ""
            return AdviceCode.list(text).unknown.map { (key, $0) }
        }
    }

    /// What readers say of single values.
    private static let codes: [String: AdviceCode] = [
        AdviceCode.invalidValue.rawValue: .invalidValue, AdviceCode.legacyAddress.rawValue: .legacyAddress,
        AdviceCode.unreadableSourceRange.rawValue: .unreadableSourceRange,
    ]

    /// What comes of it, and what to do.
    private static func meaning(_ code: AdviceCode) -> (consequence: String, remedy: String) {
        switch code {
        case .legacyAddress:
            (
                "it is served by its meaning for now",
                "write it in the usual form before the object has to change"
            )
        case .unreadableSourceRange:
            (
                "it opens nothing; a family without another range lets nobody in",
                "write it as an address with a length, such as 192.0.2.0/24, or take it out"
            )
        default:
            (
                "the value is left out, everything else of the object is used", "mend the value, or take it out"
            )
        }
    }

    /// Values that are left out, or that newer API servers refuse in what is new.
    private func oddValues(_ keys: [ObjectKey]?) -> [AdviceFinding] {
        oddValues.compactMap { found in
            guard let subject = found.subject, let code = Self.codes[found.code] else { return nil }
            let service = serviceKey(of: subject)
            if let keys, service.map({ !keys.contains($0) }) ?? true { return nil }
            let annotation = service.flatMap { cluster.service($0)?.annotations[Service.ignoreAnnotation] } ?? ""
            guard !options.ignored.union(AdviceCode.list(annotation).known).contains(code) else { return nil }
            let field = found.field.isEmpty ? "" : "\(found.field): "
            var finding = AdviceFinding(code, subject, summary: "\(field)\(found.message)")
            let (consequence, remedy) = Self.meaning(code)
            finding.evidence = [Evidence("value", consequence)]
            finding.remedies = [remedy]
            return finding
        }
    }

    /// The Service that the object is, or is a part of, as far as the cluster has it.
    private func serviceKey(of subject: ObjectID) -> ObjectKey? {
        switch subject.kind {
        case .service: subject.key
        case .endpointSlice: cluster.service(ofSlice: subject.key)
        case .node, .serviceCIDR: nil
        }
    }

    /// Objects that are invalid: their Services are looked at without them, or not at all.
    private func invalidObjects(_ keys: [ObjectKey]?) -> [AdviceFinding] {
        unreadable.compactMap { found in
            guard let subject = found.subject else { return nil }
            if let keys, found.heldService.map({ !keys.contains($0) }) ?? true { return nil }
            let field = found.field.isEmpty ? "" : "\(found.field): "
            var finding = AdviceFinding(.invalidObject, subject, summary: "\(field)\(found.message)")
            if let service = found.heldService, subject.key != service || subject.kind != .service {
                finding.evidence = [Evidence("service", "it is a part of Service \(service)")]
            }
            finding.remedies = ["mend the object; what the rest of this advice says of its Service leaves it out"]
            return finding
        }
    }
}

extension ClusterState {
    /// The same cluster, whose Services have no external IPs, and which they had.
    fileprivate func withoutExternalIPs() -> (ClusterState, [ObjectKey: [IPAddress]]) {
        var removed: [ObjectKey: [IPAddress]] = [:]
        var changes: [ClusterChange] = []
        forEachService { service, _ in
            guard !service.externalIPs.isEmpty else { return }
            removed[service.key] = service.externalIPs
            var service = service
            service.externalIPs = []
            changes.append(.applied(.service(service)))
        }
        var result = self
        _ = result.apply(changes)
        return (result, removed)
    }
}
