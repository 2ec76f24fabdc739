import Netfilter
import NetlinkTransport
import NetworkTypes
import PacketPath
import ServicePolicy

/// What else than the rules may keep a packet from where an explanation says that it goes: other programs' chains, and bridges.
package struct SurroundingNotes {
    private let firewall: FirewallLook
    private let bridges: BridgeLook

    /// Looks at this network namespace.
    package init(_ kernel: NftablesKernel) throws(NetlinkError) {
        firewall = try FirewallLook(kernel, asWithoutKubeProxy: false)
        bridges = try BridgeLook()
    }

    /// Adds what was found to the explanation.
    package func add(to explanation: inout Explanation) {
        var notes: [String] = []
        for note in firewallNotes(explanation) + bridgeNotes(explanation) where !notes.contains(note) {
            notes.append(note)
        }
        for note in notes { explanation.note(note) }
    }

    private func firewallNotes(_ explanation: Explanation) -> [String] {
        let packet = explanation.packet
        var interface: String?
        if case .interface(let name) = packet.origin { interface = name }
        var obstacles: [FilterWalk.Obstacle] = []
        // Endpoints of one kind meet the same chains: a few stand for all.
        for reached in explanation.reached.prefix(32) {
            obstacles += firewall.obstacles(
                from: packet.source, isOwn: packet.origin == .node,
                to: .init(backend: reached.backend, transport: packet.transport), through: interface)
        }
        if explanation.verdict == .untouched, packet.transport == .tcp, packet.origin != .node {
            guard HostLinks.isOwn(packet.destination) else { return [] }
            obstacles += firewall.obstacles(from: packet.source, toOwn: packet.destination, port: packet.port)
        }
        return obstacles.map { "\($0) sees the packet too and may drop it; see 'fairlead firewall'" }
    }

    private func bridgeNotes(_ explanation: Explanation) -> [String] {
        let packet = explanation.packet
        guard packet.origin != .node, let own = bridges.bridge(to: packet.source) else { return [] }
        return explanation.reached.prefix(32).compactMap { reached in
            guard bridges.bridge(to: reached.backend.address)?.index == own.index else { return nil }
            let isItself = reached.backend.address == packet.source
            guard let reason = bridges.bypass(own, packet.family) else {
                guard isItself, !bridges.portsWithoutHairpin(own).isEmpty else { return nil }
                return "bridge \(own.name): a port without hairpin mode does not send the packet back to its pod"
            }
            // With the node's address as its source the answer comes back to the node.
            guard reached.masquerade == nil, bridges.isDirect(packet.source) else { return nil }
            return
                "bridge \(own.name) has both ends, and the answer does not pass the rules: the caller gets it from an address "
                + "that it did not ask and waits in vain; \(reason)"
        }
    }
}

extension HostLinks {
    /// Whether an address is one of this network namespace.
    static func isOwn(_ address: IPAddress) -> Bool { ((try? HostLinks())?.route(to: address))?.isOwn ?? false }
}
