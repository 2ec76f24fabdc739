import Netfilter
import NetworkTypes

/// The chains that translate sources: which flows leave with an address of the node.
extension SchemaChains {
    /// What another table translates is never masqueraded here. Asked last, for few flows come so far.
    private static let masquerade: Rule = [.lookup([.connectionID], in: .foreignFlows, negated: true), .masquerade]

    /// One rule per protocol: `nft` shows `ct original proto-dst` only behind the protocol that gives it a type.
    private func masquerade(_ frontends: SetID, _ nodePorts: SetID) -> [Rule] {
        let protocols: [TransportProtocol] = [.tcp, .udp, .sctp]
        return protocols.map { transport in
            [.originalProtocol(transport), .lookup(Self.originalFrontend, in: frontends)] + Self.masquerade
        }
            + protocols.map { transport in
                [
                    .lookup([.originalDestinationAddress], in: .nodePortAddresses), .originalProtocol(transport),
                    .lookup(Self.originalNodePort, in: nodePorts),
                ] + Self.masquerade
            }
    }

    func translateOwnSource() -> Chain {
        Chain(
            "translate-own-source", comment: "the node itself to frontends with externalTrafficPolicy Local",
            rules: masquerade(.externalLocal, .externalLocalNodePorts))
    }

    /// What is masqueraded whatever the policy says: flows to a frontend only, for others are another table's.
    func translateServed() -> Chain {
        Chain(
            "translate-served", comment: "flows to a frontend, whatever its policy",
            rules: [[Self.toClusterIP] + Self.masquerade]
                + masquerade(.masqueradeExternal, .masqueradeExternalNodePorts)
                + masquerade(.externalLocal, .externalLocalNodePorts))
    }

    private static let toClusterIP = Statement.lookup([.originalDestinationAddress], in: .clusterIPs)

    func translateSource() -> Chain {
        Chain(
            "translate-source", comment: "decided by where the flow was sent to at first",
            rules: [
                [.lookup([.sourceAddress, .destinationAddress], in: .hairpin), .goto("translate-served")],
                [Self.toClusterIP, .goto("translate-clusterip")], [.goto("translate-external")],
            ])
    }

    /// Nothing else is asked of flows to a ClusterIP, unless another Service has the same address as an external IP.
    func translateClusterIP() -> Chain {
        // What masquerades says itself for which flows (`MasqueradeCause`), at the end, where it costs few of them.
        var rules: [Rule] = []
        if options.masqueradeAll {
            rules.append([Self.toClusterIP] + Self.masquerade)
        } else if options.localDetector.isActive(family) {
            rules += masqueradeFromOutside.map { $0 + [Self.toClusterIP] + Self.masquerade }
        }
        rules.append([
            .lookup([.originalDestinationAddress], in: .externalAddresses), .goto("translate-external"),
        ])
        return Chain("translate-clusterip", rules: rules)
    }

    func translateExternal() -> Chain {
        var rules: [Rule] = []
        if options.preservesLocalSource {
            rules.append([.sourceIsNotLocal, .lookup(Self.frontend, in: .localBackends), .accept])
        }
        if servesLocalhost {
            rules.append([.lookup([.sourceAddress], in: .loopback), .goto("translate-served")])
        }
        rules += keepsDirectSource
        rules += masquerade(.masqueradeExternal, .masqueradeExternalNodePorts)
        rules.append([.sourceIsLocal, .goto("translate-own-source")])
        return Chain("translate-external", rules: rules)
    }

    func postrouting() -> Chain {
        Chain(
            "nat-postrouting", hook: Chain.Hook(.nat, .postrouting, priority: 100),
            rules: [[.isDestinationTranslated, .goto("translate-source")]])
    }
}
