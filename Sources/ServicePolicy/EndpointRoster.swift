import KubernetesModel
import NetworkTypes

/// The distinct endpoints of one Service port in one family, and what an endpoint must be to join each pool.
///
/// Selection and explanation both read their answers from here, so they cannot disagree on a rule.
struct EndpointRoster {
    /// One address and port, with the traits of the entry that speaks for it.
    struct Candidate {
        var backend: Backend
        var traits: EndpointTraits
        var weight: UInt16
    }

    /// Sorted by backend, each backend once.
    private(set) var candidates: [Candidate] = []
    /// What all members of the cluster pool have.
    private(set) var clusterRequirement: EndpointTraits = [.servingTerminating, .takesNew]
    /// What all members of the local pool have.
    private(set) var localRequirement: EndpointTraits = [.onThisNode, .servingTerminating, .takesNew]
    /// Whether any slice gives its endpoints a weight.
    private(set) var hasWeights = false

    /// Reads the endpoints of the port out of the Service's slices.
    init(port: ServicePort, family: IPFamily, slices: [EndpointSlice], node: NodeContext) {
        for slice in slices {
            guard case .port(let number) = slice.relevance(for: port, family: family) else { continue }
            candidates.reserveCapacity(candidates.count + slice.endpoints.count)
            if slice.weight != nil { hasWeights = true }
            let weight = slice.weight ?? EndpointSlice.usualWeight
            for endpoint in slice.endpoints where endpoint.address.family == family {
                let backend = Backend(address: endpoint.address, port: number)
                let traits = EndpointTraits(endpoint, weight: slice.weight, node: node)
                candidates.append(Candidate(backend: backend, traits: traits, weight: weight))
            }
        }
        sortAndRemoveDuplicates()
        setRequirements()
    }

    /// The entry that speaks for the backend; nil if the port has no such backend.
    func candidate(_ backend: Backend) -> Candidate? {
        var range = candidates.indices
        while let last = range.last {
            let middle = range.lowerBound + (last - range.lowerBound) / 2
            let candidate = candidates[middle]
            if candidate.backend == backend { return candidate }
            range = candidate.backend < backend ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    private mutating func sortAndRemoveDuplicates() {
        candidates.sort { left, right in
            if left.backend == right.backend {
                return (left.traits.rawValue, left.weight) > (right.traits.rawValue, right.weight)
            }
            return left.backend < right.backend
        }
        var kept = 0
        for index in candidates.indices {
            if kept > 0, candidates[kept - 1].backend == candidates[index].backend { continue }
            if kept != index { candidates[kept] = candidates[index] }
            kept += 1
        }
        candidates.removeLast(candidates.count - kept)
    }

    private mutating func setRequirements() {
        var tally = EndpointTally()
        for candidate in candidates { tally.count(candidate.traits) }
        let requirements = tally.requirements
        (clusterRequirement, localRequirement) = (requirements.cluster, requirements.local)
    }
}

extension EndpointSlice {
    /// What a slice has for a Service port.
    enum Relevance {
        /// Its endpoints serve the Service port at this port.
        case port(UInt16)
        /// Nothing, for this reason.
        case none(EndpointDecision)
    }

    /// What the slice has for the Service port in the family.
    ///
    /// Name and protocol both have to match. The API demands that names are unique within a slice; in a slice that
    /// breaks this, the first port with a number counts.
    func relevance(for port: ServicePort, family: IPFamily) -> Relevance {
        if isHeadless { return .none(.headlessSlice) }
        if isOfOtherProxy { return .none(.otherProxySlice) }
        guard addressFamily == family else { return .none(.otherFamily) }
        var refusal = EndpointDecision.noPort
        for candidate in ports where candidate.transport == port.transport && candidate.name == port.name {
            if let number = candidate.port, number != 0 { return .port(number) }
            refusal = .openPort
        }
        return .none(refusal)
    }
}
