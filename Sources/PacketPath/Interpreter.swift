import Netfilter
import NetworkTypes

/// Walks packets through a table as the kernel does, and says everything that can become of them.
///
/// It reads the same rules and elements that the daemon programs, so that it cannot know another policy than the kernel
/// has. Where a rule draws a random number, it follows each draw, with its probability.
public struct Interpreter: Sendable {
    /// The table.
    public let ruleset: Ruleset
    /// The addresses of the node itself: what is `fib … type local`, and what ends here in place of being forwarded.
    public let ownAddresses: Set<IPAddress>
    /// A transaction that takes effect while packets pass; nil if none does.
    public var change: Change?

    /// A transaction that changes elements between two rules that a packet is compared with. The kernel has each look go by the elements of
    /// its own moment.
    public struct Change: Sendable {
        /// The table as it is then: the same chains, other elements.
        public var ruleset: Ruleset
        /// How many rules a packet has been compared with before.
        public var afterRules: Int

        /// A transaction that takes effect when a packet has been compared with some rules.
        public init(to ruleset: Ruleset, afterRules: Int) { (self.ruleset, self.afterRules) = (ruleset, afterRules) }
    }

    /// An interpreter of a table on a node.
    public init(_ ruleset: Ruleset, ownAddresses: Set<IPAddress>) {
        self.ruleset = ruleset
        self.ownAddresses = ownAddresses
    }

    /// Whether packets to the address end on the node. All of 127.0.0.0/8 does.
    public func isOwn(_ address: IPAddress) -> Bool { address.isLoopback || ownAddresses.contains(address) }

    /// The elements that a packet meets.
    func elements(for state: WalkState) -> Ruleset {
        guard let change, state.rulesCompared > change.afterRules else { return ruleset }
        return change.ruleset
    }

    /// What can become of a packet, the likeliest first.
    ///
    /// A packet from elsewhere passes prerouting and, unless it ends on the node, postrouting. One of the node itself
    /// passes output and postrouting; if it then ends on the node, prerouting as well, where its translation is settled
    /// already. A packet that conntrack calls INVALID never meets a nat chain.
    public func outcomes(of packet: Packet) -> [PacketOutcome] {
        let start = starts(of: packet)
        var ended: [Branch] = []
        let isNode = packet.origin == .node
        var passing = run(isNode ? .output : .prerouting, start, &ended)
        if isNode {
            passing = run(.postrouting, passing, &ended)
            var looped = passing.filter { isOwn($0.state.destination) }
            passing.removeAll { isOwn($0.state.destination) }
            for index in looped.indices { looped[index].state.interface = "lo" }
            passing += run(.prerouting, looped, &ended, skipsNAT: true)
        } else {
            let delivered = passing.filter { isOwn($0.state.destination) }
            let forwarded = passing.filter { !isOwn($0.state.destination) }
            passing = delivered + run(.postrouting, forwarded, &ended)
        }
        return Self.merged(passing + ended)
    }

    // MARK: Hooks

    /// Runs the base chains of a point. Packets that one of them ends go to `ended`.
    private func run(
        _ point: Chain.Hook.Point, _ branches: [Branch], _ ended: inout [Branch], skipsNAT: Bool = false
    ) -> [Branch] {
        var passing = branches
        for chain in ruleset.baseChains(at: point) {
            let isNAT = chain.hook?.kind == .nat
            if isNAT, skipsNAT || branches.first?.state.packet.state == .invalid { continue }
            var next: [Branch] = []
            for branch in passing {
                if isNAT, branch.state.isSettled(at: point) {
                    next.append(branch)
                    continue
                }
                for end in run(chain, at: point, branch) {
                    if end.fate == nil { next.append(end) } else { ended.append(end) }
                }
            }
            passing = next
        }
        return passing
    }

    /// Runs one base chain; what has no fate in the end goes on to the next one.
    private func run(_ chain: Chain, at point: Chain.Hook.Point, _ branch: Branch) -> [Branch] {
        var ends: [Branch] = []
        var open = [Frames(branch: branch, stack: [Frame(chain: chain)])]
        while var frames = open.popLast() {
            guard let frame = frames.stack.last else {
                // The policy of every chain is accept.
                ends.append(frames.branch)
                continue
            }
            guard frame.next < frame.chain.rules.count else {
                frames.stack.removeLast()
                open.append(frames)
                continue
            }
            frames.stack[frames.stack.count - 1].next += 1
            frames.branch.state.rulesCompared += 1
            let step = TraceStep(
                point: point, chain: frame.chain.name, index: frame.next, rule: frame.chain.rules[frame.next])
            for result in apply(step, frames.branch) {
                var after = frames
                after.branch = result.branch
                switch result.control {
                case .next: open.append(after)
                case .jump(let name):
                    if let target = ruleset.chain(name) { after.stack.append(Frame(chain: target)) }
                    open.append(after)
                case .leave:
                    after.stack.removeLast()
                    open.append(after)
                case .goto(let name):
                    after.stack.removeLast()
                    if let target = ruleset.chain(name) { after.stack.append(Frame(chain: target)) }
                    open.append(after)
                case .end(let fate):
                    after.branch.fate = fate
                    ends.append(after.branch)
                }
            }
        }
        return ends
    }

    // MARK: Rules

    /// Applies the parts of a rule in their order. What one part changed stays, even if a later part does not match.
    private func apply(_ step: TraceStep, _ branch: Branch) -> [Result] {
        var results: [Result] = []
        var matching = [branch]
        for statement in step.rule {
            var next: [Branch] = []
            for branch in matching {
                for (effect, share) in effects(of: statement, on: branch.state) {
                    var after = branch
                    after.weight *= share
                    switch effect {
                    case .noMatch: results.append(Result(branch: after, control: .next))
                    case .match: next.append(after)
                    case .setPriority(let value):
                        after.state.priority = value
                        next.append(after)
                    case .setCodePoint(let value):
                        after.state.codePoint = value
                        next.append(after)
                    case .copy(let address):
                        after.state.copies.append(address)
                        next.append(after)
                    case .learn(let map, let key, let value):
                        after.state.learned[map, default: [:]][key] = value
                        next.append(after)
                    case .control(let control):
                        after.state.trace.append(step)
                        results.append(Result(branch: after, control: control))
                    case .masquerade:
                        after.state.trace.append(step)
                        after.state.masquerade = step
                        results.append(Result(branch: after, control: .end(nil)))
                    case .translate(let address, let port):
                        after.state.trace.append(step)
                        after.state.translate(to: address, port)
                        results.append(Result(branch: after, control: .end(nil)))
                    }
                }
            }
            matching = next
        }
        for var branch in matching {
            branch.state.trace.append(step)
            results.append(Result(branch: branch, control: .next))
        }
        return results
    }

    // MARK: Outcomes

    private static func merged(_ branches: [Branch]) -> [PacketOutcome] {
        var result: [PacketOutcome] = []
        var positions: [Identity: Int] = [:]
        for branch in branches {
            let state = branch.state
            let fate: PacketOutcome.Fate =
                switch branch.fate {
                case .drop: state.copies.isEmpty ? .dropped : .handedOn(state.copies)
                case .refuse(let how): .refused(how)
                case nil: .passed(state.destination, state.port)
                }
            let identity = Identity(fate: fate, isTranslated: state.isTranslated, masquerade: state.masquerade)
            if let position = positions[identity] {
                result[position].probability += branch.weight
                result[position].rulesCompared = max(result[position].rulesCompared, state.rulesCompared)
            } else {
                positions[identity] = result.count
                result.append(
                    PacketOutcome(
                        probability: branch.weight, fate: fate, isTranslated: state.isTranslated,
                        masquerade: state.masquerade, trace: state.trace, rulesCompared: state.rulesCompared,
                        priority: state.priority))
            }
        }
        return result.sorted { left, right in
            // Shares of equals differ in the last digits.
            if abs(left.probability - right.probability) > 1e-9 { return left.probability > right.probability }
            guard let one = left.destination, let other = right.destination else { return left.destination != nil }
            return (one.address, one.port) < (other.address, other.port)
        }
    }

    private struct Identity: Hashable {
        var fate: PacketOutcome.Fate
        var isTranslated: Bool
        var masquerade: TraceStep?
    }

    private struct Result {
        var branch: Branch
        var control: Control
    }

    private struct Frame {
        var chain: Chain
        var next = 0
    }

    private struct Frames {
        var branch: Branch
        var stack: [Frame]
    }
}

/// One of the ways that a packet may take.
struct Branch {
    var state: WalkState
    var weight: Double
    var fate: Ending?
}

/// How the rules end a packet.
enum Ending: Hashable {
    case drop
    case refuse(PacketOutcome.Refusal)
}

/// Where a rule sends a packet.
enum Control: Hashable {
    /// To the next rule.
    case next
    case jump(String)
    case goto(String)
    /// Back to the rule behind the jump that led to the chain.
    case leave
    /// Out of the base chain; with nil on to the next one.
    case end(Ending?)
}

extension WalkState {
    /// The kernel marks a flow as translated only where something changes.
    fileprivate mutating func translate(to address: IPAddress, _ newPort: UInt16) {
        if destination != address || port != newPort { isTranslated = true }
        (destination, port) = (address, newPort)
        isDestinationSettled = true
    }

    /// Whether a nat chain has translated the flow, so that the further ones of the hook are not asked.
    fileprivate func isSettled(at point: Chain.Hook.Point) -> Bool {
        point == .postrouting ? masquerade != nil : isDestinationSettled
    }
}
