import KubernetesModel
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy

/// What becomes of a packet, and why, in the words of the Service API.
public struct Explanation: Hashable, Sendable {
    /// What becomes of the packet, in one word.
    public enum Verdict: String, Hashable, Sendable {
        /// It goes to an endpoint of a Service.
        case reaches
        /// The rules refuse it, and the sender is told.
        case refused
        /// The rules drop it.
        case dropped
        /// The rules leave it alone.
        case untouched
    }

    /// What a line is about.
    public enum Topic: String, Hashable, Sendable {
        /// The Service and the frontend.
        case service
        /// What the source counts as.
        case source
        /// Which policy applies.
        case policy
        /// Source ranges of a load balancer.
        case ranges
        /// Session affinity.
        case affinity
        /// Which source address the endpoint sees.
        case address
        /// Why there is no endpoint for the packet.
        case because
        /// What would help.
        case mend
        /// Whether the kernel does what is wanted.
        case kernel
        /// What else one should know.
        case note
    }

    /// One reason.
    public struct Line: Hashable, Sendable {
        /// What it is about.
        public var topic: Topic
        /// A sentence without a trailing period.
        public var text: String
    }

    /// An endpoint that the packet may reach.
    public struct Reached: Hashable, Sendable {
        /// The endpoint.
        public var backend: Backend
        /// How likely it is.
        public var share: Double
        /// Its `nodeName`, if the slices have it.
        public var nodeName: String?
        /// Whether it terminates, and serves for want of others.
        public var isTerminating: Bool
        /// The weight that its slice gives it; nil if it gives none.
        public var weight: UInt16?
        /// Whether the packet is handed on to the endpoint's node as it is, which translates it and answers the client directly.
        public var isHandedOn = false
        /// Why it sees an address of the node as the source; nil if it sees the packet's own.
        public var masquerade: MasqueradeCause?
    }

    /// An endpoint of the Service that the packet cannot reach.
    public struct LeftOut: Hashable, Sendable {
        /// Its address.
        public var address: IPAddress
        /// Its port; nil if the slice gives it none.
        public var port: UInt16?
        /// Its `nodeName`.
        public var nodeName: String?
        /// A stable code: that of the `EndpointDecision`, or `remembersOther`.
        public var code: String
        /// Why.
        public var reason: String

        /// Whether its weight of 0 is why.
        var isDrained: Bool { code == EndpointDecision.drained.rawValue }
    }

    /// The packet.
    public var packet: Packet
    /// The node that it meets.
    public var nodeName: String
    /// What becomes of it.
    public var verdict: Verdict
    /// How it is refused; nil if it is not.
    public var refusal: PacketOutcome.Refusal?
    /// Why it is refused or dropped; nil if it is neither.
    public var cause: RefusalCause?
    /// What the source counts as.
    public var source: SourceKind
    /// The frontend that it is sent to; nil if it is none.
    public var place: FrontendPlace?
    /// The endpoints that it may reach.
    public var reached: [Reached] = []
    /// Those that it cannot reach.
    public var leftOut: [LeftOut] = []
    /// The reasons, in the order in which they make sense.
    public var lines: [Line] = []
    /// What the rules make of it.
    public var outcomes: [PacketOutcome]
    /// Whether the kernel does what is wanted; nil if nobody looked.
    public var agrees: Bool?

    /// The rules that the packet may match, in their order, each once. Tries of the same draw count as one.
    public var rules: [TraceStep] {
        var seen: Set<[String]> = []
        return outcomes.flatMap(\.trace).filter { step in
            seen.insert([step.chain, step.point.name, step.rule.text(packet.family)]).inserted
        }
    }

    /// Adds what else one should know: of things that are not in the rules.
    ///
    /// - Parameter text: a sentence without a trailing period.
    public mutating func note(_ text: String) { add(.note, text) }

    mutating func add(_ topic: Topic, _ text: String) { lines.append(Line(topic: topic, text: text)) }
}

/// Explains packets on one node.
public struct Explainer: Sendable {
    let situation: Situation
    let interpreter: Interpreter

    /// - Parameters:
    ///   - situation: what is known of cluster and node.
    ///   - ruleset: the table of the packets' family, as it is wanted or as the kernel has it.
    public init(_ situation: Situation, _ ruleset: Ruleset) {
        self.situation = situation
        interpreter = Interpreter(ruleset, ownAddresses: situation.ownAddresses)
    }

    var node: String { situation.node.nodeName }
    var options: DataplaneOptions { situation.options }

    /// What becomes of a packet, and why.
    public func explain(_ packet: Packet) -> Explanation {
        let outcomes = interpreter.outcomes(of: packet)
        var result = Explanation(
            packet: packet, nodeName: node, verdict: .untouched, source: situation.sourceKind(packet),
            place: situation.place(packet), outcomes: outcomes)
        result.judge(interpreter.ruleset.schema)
        fillEndpoints(&result)
        describe(&result)
        return result
    }

    private func fillEndpoints(_ result: inout Explanation) {
        let schema = interpreter.ruleset.schema
        let entries = result.place.map(situation.entries) ?? []
        var known: [Backend: EndpointExplanation] = [:]
        for entry in entries where entry.isUsable {
            if let port = entry.port { known[Backend(address: entry.address, port: port)] = entry }
        }
        for outcome in result.outcomes where outcome.isTranslated {
            guard let (address, port) = outcome.destination else { continue }
            let backend = Backend(address: address, port: port)
            let entry = known[backend]
            result.reached.append(
                Explanation.Reached(
                    backend: backend, share: outcome.probability, nodeName: entry?.nodeName,
                    isTerminating: entry?.cluster == .usedWhileTerminating || entry?.local == .usedWhileTerminating,
                    weight: entry?.weight,
                    masquerade: outcome.masquerade.map { MasqueradeCause($0, in: outcome.trace, schema, options) }))
        }
        guard let place = result.place else { return }
        for outcome in result.outcomes {
            guard let gateway = outcome.handedOn.last else { continue }
            guard let backend = place.port.directReturn?.members.first(where: { $0.address == gateway }) else {
                continue
            }
            result.reached.append(
                Explanation.Reached(
                    backend: backend, share: outcome.probability, nodeName: known[backend]?.nodeName,
                    isTerminating: known[backend]?.cluster == .usedWhileTerminating, weight: known[backend]?.weight,
                    isHandedOn: true, masquerade: nil))
        }
        let isLocal = situation.wantsLocal(place, result.source) && !situation.returnsDirectly(place, result.source)
        let reached = Set(result.reached.map(\.backend))
        for entry in entries {
            let decision = isLocal ? entry.local : entry.cluster
            if decision == .otherFamily || decision == .duplicate { continue }
            if let port = entry.port, reached.contains(Backend(address: entry.address, port: port)) { continue }
            // Before any endpoint is picked, the packet may have been refused: that is no property of the endpoint.
            if decision.isUsed && reached.isEmpty { continue }
            result.leftOut.append(
                Explanation.LeftOut(
                    address: entry.address, port: entry.port, nodeName: entry.nodeName,
                    code: decision.isUsed ? "remembersOther" : decision.rawValue, reason: reason(decision, entry, place)
                ))
        }
    }

    private func reason(
        _ decision: EndpointDecision, _ entry: EndpointExplanation, _ place: FrontendPlace
    ) -> String {
        switch decision {
        case .used, .usedWhileTerminating: "the client is remembered for another endpoint"
        case .notReady: "not ready"
        case .drained: "weight 0 (annotation \(EndpointSlice.weightAnnotation)): no new connections"
        case .terminatingNotNeeded: "terminating, and others are ready"
        case .otherNode: entry.nodeName == nil ? "its slice names no node for it" : "not on \(node)"
        case .hintedToOtherNodes: "its hints are for other nodes than \(node)"
        case .hintedToOtherZones: "its hints are for other zones than \(situation.node.zone ?? "none")"
        case .duplicate: "another entry speaks for it"
        case .noPort: "slice \(entry.slice) has no \(place.port.transport) port \"\(place.port.name)\""
        case .openPort: "slice \(entry.slice) leaves the port open"
        case .otherFamily: "of another family"
        case .headlessSlice: "slice \(entry.slice) is labelled headless"
        case .otherProxySlice:
            "slice \(entry.slice) is left to another proxy (label service.kubernetes.io/service-proxy-name)"
        }
    }
}

extension Explanation {
    /// Reads from the outcomes what becomes of the packet.
    fileprivate mutating func judge(_ schema: TableSchema) {
        if outcomes.contains(where: { $0.reachesEndpoint || !$0.handedOn.isEmpty }) {
            verdict = .reaches
            return
        }
        // Rules draw endpoints and nothing else: all outcomes of a packet that reaches none are the same.
        guard let outcome = outcomes.first else { return }
        switch outcome.fate {
        case .passed: verdict = .untouched
        case .dropped, .handedOn: verdict = .dropped
        case .refused(let how):
            verdict = .refused
            refusal = how
        }
        if verdict != .untouched { cause = RefusalCause(outcome.trace, schema) }
    }
}
