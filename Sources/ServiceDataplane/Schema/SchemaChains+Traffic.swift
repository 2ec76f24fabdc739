import Netfilter
import NetworkTypes

/// The chains that count bytes and packets of Services (`--service-traffic`): in the elements of their frontends, found by where the
/// flow was sent to at first.
extension SchemaChains {
    /// Leads packets of translated flows to be counted: after translation, so that the first one is among them.
    ///
    /// What the node sends to itself passes both hooks, and is counted in the first one.
    func toTraffic(_ point: Chain.Hook.Point) -> Rule {
        let fromElsewhere: Rule = [.inputInterface("lo", isPrefix: false, negated: true)]
        return [.isDestinationTranslated] + (point == .prerouting ? fromElsewhere : []) + [.jump("traffic")]
    }

    func traffic() -> [Chain] {
        [
            Chain(
                "traffic-out", comment: "what endpoints answer",
                rules: count(in: .trafficOut, .nodePortTrafficOut)),
            Chain(
                "traffic", comment: "what clients send",
                rules: [[.isReply, .goto("traffic-out")]] + count(in: .trafficIn, .nodePortTrafficIn)),
        ]
    }

    /// One rule per protocol: `nft` shows `ct original proto-dst` only behind the protocol that gives it a type. An element that is found counts
    /// the packet.
    private func count(in frontends: SetID, _ nodePorts: SetID) -> [Rule] {
        let protocols: [TransportProtocol] = [.tcp, .udp, .sctp]
        return protocols.map { [.originalProtocol($0), .lookup(Self.originalFrontend, in: frontends), .leave] }
            + protocols.map {
                [
                    .lookup([.originalDestinationAddress], in: .nodePortAddresses), .originalProtocol($0),
                    .lookup(Self.originalNodePort, in: nodePorts), .leave,
                ]
            }
    }
}
