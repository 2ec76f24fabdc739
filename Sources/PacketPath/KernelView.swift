import Netfilter
import NetworkTypes
import ServicePolicy

/// A table as the kernel was observed to have it, and what cannot be told of it.
public struct KernelView: Sendable {
    /// The kernel's elements behind the expected rules; no rules at all where there is no table.
    public let ruleset: Ruleset
    /// Whether there is a table.
    public let exists: Bool
    /// Chains whose rules or hooks are not the expected ones, and those that are missing.
    private let strangeChains: Set<String>
    /// Sets that are declared in another way or missing.
    private let strangeSets: Set<String>
    /// Chains that are not expected at all.
    private let extraChains: Set<String>

    /// - Parameters:
    ///   - observed: the table, compared with the schema.
    ///   - schema: the schema that it was compared with.
    ///   - remembered: the elements of the sets that packets fill.
    public init(_ observed: ObservedTable, _ schema: TableSchema, remembered: [SetID: [ElementKey: ObservedElement]]) {
        exists = observed.exists
        let chains = Set(schema.chains.map(\.name))
        strangeChains =
            observed.differingRules.union(observed.differingChains).union(chains.subtracting(observed.chains))
        strangeSets = observed.differingSets.union(Set(schema.sets.map(\.name)).subtracting(observed.sets))
        extraChains = observed.chains.subtracting(chains)
        var schema = schema
        if !observed.exists { schema.chains = [] }
        let elements = observed.elements.mapValues { elements in
            Dictionary(elements.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
        }
        ruleset = Ruleset(schema: schema, elements: elements.merging(remembered) { $1 })
    }

    /// What a packet meets that is not as expected, so that its outcomes may be wrong; empty if they hold.
    ///
    /// Only what the packet passes counts: the base chains, the chains that rules sent it to, and the sets that any rule of
    /// these looks into.
    public func doubts(about outcomes: [PacketOutcome]) -> [String] {
        guard exists else { return [] }
        var visited = Set(ruleset.schema.chains.filter { $0.hook != nil }.map(\.name))
        for statement in outcomes.lazy.flatMap(\.trace).flatMap(\.rule) {
            switch statement {
            case .jump(let chain), .goto(let chain): visited.insert(chain)
            default: continue
            }
        }
        visited.formUnion(outcomes.lazy.flatMap(\.trace).map(\.chain))
        let sets = visited.compactMap { ruleset.chain($0) }.flatMap(\.rules).flatMap { $0 }.flatMap(\.setNames)
        return strangeChains.intersection(visited).union(extraChains).sorted().map { "chain \($0)" }
            + strangeSets.intersection(sets).sorted().map { "set \($0)" }
    }
}

extension Statement {
    /// The sets and maps that the statement looks into or writes.
    fileprivate var setNames: [String] {
        switch self {
        case .lookup(_, let set, _): [set]
        case .setPriority(_, let map), .dispatch(_, let map), .destinationNAT(_, let map), .update(_, let map, _, _),
            .duplicate(_, let map):
            [map]
        case .destinationNATFromTwo(_, let addresses, let ports): [addresses, ports]
        case .connectionState, .connectionStateIsNot, .isDestinationTranslated, .isConfirmed, .isReply, .transport,
            .originalProtocol,
            .sourceIsLocal, .sourceIsNotLocal, .destinationIsNotLocal, .inputInterface,
            .hasInputInterface, .hasPriority, .priorityHasBits, .counter, .resetPriority, .masquerade, .rejectWithReset,
            .reject, .accept,
            .hasCodePoint, .setCodePoint, .hasHopLimit, .continuesConnection, .reportsUnreachable,
            .drop, .leave, .jump, .goto:
            []
        }
    }
}

extension Explanation {
    /// Compares what the kernel does (this explanation) with what it should do, and says so.
    ///
    /// - Parameters:
    ///   - wanted: the explanation of the same packet from what is wanted.
    ///   - doubts: what in the kernel is not as expected and on the packet's way.
    public mutating func compare(with wanted: Explanation, doubts: [String]) {
        if !doubts.isEmpty {
            agrees = false
            add(
                .kernel,
                "not as expected on the packet's way: \(Explainer.list(doubts)). What the kernel does may be otherwise; see "
                    + "'fairlead diff'")
            return
        }
        let own = Set(reached.map { Pick(backend: $0.backend, masquerade: $0.masquerade) })
        let others = Set(wanted.reached.map { Pick(backend: $0.backend, masquerade: $0.masquerade) })
        let isRemembered = place?.port.affinityTimeout != nil && !own.isEmpty && own.isSubset(of: others)
        let isSame = verdict == wanted.verdict && refusal == wanted.refusal && cause == wanted.cause
        agrees = isSame && (own == others || isRemembered)
        if agrees == true {
            add(.kernel, "does what is wanted")
        } else {
            add(.kernel, "differs from what is wanted, which is: \(wanted.summary); see 'fairlead diff'")
        }
    }

    private struct Pick: Hashable {
        var backend: Backend
        var masquerade: MasqueradeCause?
    }

    /// What becomes of the packet in a few words.
    public var summary: String {
        switch verdict {
        case .reaches:
            reached.count == 1
                ? "reaches \(reached[0].backend)" : "reaches one of \(reached.count) endpoints"
        case .refused: refusal == .reset ? "refused at once (TCP reset)" : "refused at once (ICMP port unreachable)"
        case .dropped: "dropped, the client waits in vain"
        case .untouched: "no Service, the rules leave it alone"
        }
    }
}
