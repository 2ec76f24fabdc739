import Netfilter
import NetworkTypes

/// What one part of a rule does to a packet.
enum Effect: Hashable {
    /// The rule ends here, and the next one has its turn.
    case noMatch
    /// On to the rule's next part.
    case match
    /// The same, with another packet priority.
    case setPriority(UInt32)
    /// The same, with something written into a map.
    case learn(String, key: ElementKey, value: ElementKey)
    /// The flow gets another destination; the base chain ends.
    case translate(IPAddress, UInt16)
    /// The same, and a copy of the packet goes where the route to the address leads.
    case copy(IPAddress)
    /// The same, with another code point.
    case setCodePoint(UInt8)
    /// The flow gets an address of the node as its source; the base chain ends.
    case masquerade
    /// The rule has its say.
    case control(Control)
}

extension Interpreter {
    /// What a part of a rule can do to a packet, with how likely that is.
    ///
    /// This is the meaning of every `Statement`: a new one does not compile before it has one.
    func effects(of statement: Statement, on state: WalkState) -> [(Effect, Double)] {
        switch statement {
        case .lookup(let fields, let set, let negated):
            return draw(fields, state) { key in
                (value(of: key, in: set, state) != nil) != negated ? .match : .noMatch
            }
        case .setPriority(let fields, let map):
            return draw(fields, state) { key in
                value(of: key, in: map, state).map { .setPriority($0.number(at: 0)) } ?? .noMatch
            }
        case .destinationNAT(let fields, let map):
            return draw(fields, state) { key in endpoint(key, addresses: map, ports: nil, state) ?? .noMatch }
        case .destinationNATFromTwo(let fields, let addresses, let ports):
            return draw(fields, state) { key in endpoint(key, addresses: addresses, ports: ports, state) ?? .noMatch }
        case .update(let fields, let map, let data, _):
            return draw(fields, state) { key in
                // An entry that is there keeps its data.
                let old = value(of: key, in: map, state)
                return .learn(map, key: key, value: old ?? state.keys(data)[0])
            }
        case .duplicate(let fields, let map):
            return draw(fields, state) { key in
                value(of: key, in: map, state).map { .copy($0.address(at: 0, ruleset.schema.family)) } ?? .noMatch
            }
        case .setCodePoint(let value): return [(.setCodePoint(value), 1)]
        case .leave: return [(.control(.leave), 1)]
        case .dispatch(let fields, let map):
            return draw(fields, state) { key in
                value(of: key, in: map, state).flatMap { chain($0, in: map) }.map { .control(.goto($0)) } ?? .noMatch
            }
        case .connectionState, .connectionStateIsNot, .isDestinationTranslated, .isConfirmed, .isReply, .transport,
            .originalProtocol,
            .sourceIsLocal, .sourceIsNotLocal, .destinationIsNotLocal, .inputInterface,
            .hasInputInterface, .hasPriority, .priorityHasBits, .hasCodePoint, .hasHopLimit,
            .continuesConnection, .reportsUnreachable:
            return [(matches(statement, state) ? .match : .noMatch, 1)]
        case .counter: return [(.match, 1)]
        case .resetPriority: return [(.setPriority(0), 1)]
        case .masquerade: return [(.masquerade, 1)]
        case .rejectWithReset: return [(.control(.end(.refuse(.reset))), 1)]
        case .reject: return [(.control(.end(.refuse(.portUnreachable))), 1)]
        case .accept: return [(.control(.end(nil)), 1)]
        case .drop: return [(.control(.end(.drop)), 1)]
        case .jump(let chain): return [(.control(.jump(chain)), 1)]
        case .goto(let chain): return [(.control(.goto(chain)), 1)]
        }
    }

    /// Whether a part that only looks at the packet matches.
    private func matches(_ statement: Statement, _ state: WalkState) -> Bool {
        let packet = state.packet
        return switch statement {
        case .connectionState(.new): packet.state == .new
        case .connectionState(.invalid): packet.state == .invalid
        case .connectionStateIsNot(.new): packet.state != .new
        case .connectionStateIsNot(.invalid): packet.state != .invalid
        // Packets here are the first ones of their flows.
        case .connectionState(.established), .isConfirmed, .isReply: false
        case .connectionStateIsNot(.established): true
        case .isDestinationTranslated: state.isTranslated
        case .transport(let transport): packet.transport == transport
        case .originalProtocol(let transport): packet.transport == transport
        case .sourceIsLocal: isOwn(packet.source)
        case .sourceIsNotLocal: !isOwn(packet.source)
        case .destinationIsNotLocal: !isOwn(state.destination)
        case .hasPriority: state.priority != 0
        case .priorityHasBits(let bits): state.priority & bits == bits
        // Without an interface the kernel compares with an empty name.
        case .inputInterface(let name, let isPrefix, let negated):
            (isPrefix ? (state.interface ?? "").hasPrefix(name) : (state.interface ?? "") == name) != negated
        case .hasInputInterface: state.interface != nil
        case .hasCodePoint(let value): state.codePoint == value
        // Nobody asks how far the sender is.
        case .hasHopLimit: false
        // Packets here are no ICMP errors.
        case .reportsUnreachable: false
        case .continuesConnection: packet.transport == .tcp && packet.isContinuing
        case .lookup, .counter, .setPriority, .resetPriority, .dispatch, .update, .destinationNATFromTwo,
            .destinationNAT, .masquerade, .rejectWithReset, .reject, .accept, .drop, .jump, .goto, .duplicate,
            .setCodePoint, .leave:
            false
        }
    }

    /// The effects of all keys that a concatenation can have; those that are the same count together.
    private func draw(
        _ fields: [Selector], _ state: WalkState, _ effect: (ElementKey) -> Effect
    ) -> [(Effect, Double)] {
        let keys = state.keys(fields)
        if keys.count == 1 { return [(effect(keys[0]), 1)] }
        var order: [Effect] = []
        var counts: [Effect: Int] = [:]
        for key in keys {
            let result = effect(key)
            if counts.updateValue((counts[result] ?? 0) + 1, forKey: result) == nil { order.append(result) }
        }
        return order.map { ($0, Double(counts[$0] ?? 0) / Double(keys.count)) }
    }

    /// What the set or map has for the key, or what a rule has just written; nil if nothing.
    private func value(of key: ElementKey, in set: String, _ state: WalkState) -> ElementKey? {
        state.learned[set]?[key] ?? elements(for: state).find(key, in: set)?.value
    }

    /// The name of the chain that an element of a map of verdicts leads to.
    private func chain(_ value: ElementKey, in map: String) -> String? {
        guard let data = ruleset.declaration(map)?.data, data.count == 1, case .chain(let prefix) = data[0] else {
            return nil
        }
        return "\(prefix)\(value.number(at: 0))"
    }

    private func endpoint(_ key: ElementKey, addresses: String, ports: String?, _ state: WalkState) -> Effect? {
        let family = ruleset.schema.family
        guard let data = value(of: key, in: addresses, state) else { return nil }
        let address = data.address(at: 0, family)
        guard let ports else { return .translate(address, data.port(at: family.addressBits / 8)) }
        return value(of: key, in: ports, state).map { .translate(address, $0.port(at: 0)) }
    }
}
