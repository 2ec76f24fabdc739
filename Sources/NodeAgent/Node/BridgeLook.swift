import KubernetesModel
import NetlinkTransport
import NetworkTypes

/// Looks at bridges that have pods: whether packets between two pods of one bridge pass the rules, and whether a pod can reach itself.
struct BridgeLook {
    private let routes: HostLinks
    private let links: [UInt32: HostLink]
    private let parameters: String

    /// - Parameter parameters: where the kernel's parameters are.
    init(parameters: String = "/proc/sys") throws(NetlinkError) {
        routes = try HostLinks()
        links = try routes.links()
        self.parameters = parameters
    }

    /// The bridge that leads to an address of another host or pod; nil if none does.
    func bridge(to address: IPAddress) -> HostLink? {
        guard let route = routes.route(to: address), !route.isOwn, let link = links[route.link], link.isBridge else {
            return nil
        }
        return link
    }

    /// Whether pods reach an address on the bridge without the node: the node has the bridge's range on the link, so they have it, too.
    func isDirect(_ address: IPAddress) -> Bool { routes.isOnLink(address) }

    /// Why packets between ports of a bridge do not pass the rules, and what mends it; nil if they do.
    func bypass(_ bridge: HostLink, _ family: IPFamily) -> String? {
        let name = "bridge-nf-call-\(family == .ipv4 ? "iptables" : "ip6tables")"
        if bridge.filters.contains(family) { return nil }
        switch ProcFiles.lines("\(parameters)/net/bridge/\(name)").first {
        case "0": return "net.bridge.\(name) is 0: sysctl -w net.bridge.\(name)=1"
        case nil:
            return "the kernel module br_netfilter is not loaded: modprobe br_netfilter; sysctl -w net.bridge.\(name)=1"
        default: return nil
        }
    }

    /// The ports of pods that frames do not go back to where they came from.
    func portsWithoutHairpin(_ bridge: HostLink) -> [String] {
        links.values.filter { $0.bridge == bridge.index && $0.kind == "veth" && !$0.isHairpin }.map(\.name).sorted()
    }

    /// What is wrong with bridges that lead to endpoints of this node.
    ///
    /// - Parameters:
    ///   - endpoints: addresses of endpoints on this node.
    ///   - masqueradesAll: whether every connection gets the node's address as its source, so that answers come back to it.
    func findings(endpoints: [IPAddress], masqueradesAll: Bool) -> [Finding] {
        var result: [Finding] = []
        var seen: Set<String> = []
        for address in endpoints {
            guard let bridge = bridge(to: address), seen.insert("\(bridge.name) \(address.family)").inserted else {
                continue
            }
            if let reason = bypass(bridge, address.family) {
                guard !masqueradesAll, isDirect(address) else { continue }
                result.append(
                    Finding(
                        .warning, code: "bridge-bypasses-rules", subject: nil,
                        message:
                            "bridge \(bridge.name) has pods (such as \(address)), and what they answer each other does not "
                            + "pass the rules: a pod that connects to a Service's pod on the same bridge waits in vain; \(reason)"
                    ))
                continue
            }
            let ports = portsWithoutHairpin(bridge)
            guard !ports.isEmpty, seen.insert(bridge.name).inserted else { continue }
            let names =
                ports.prefix(4).joined(separator: ", ") + (ports.count > 4 ? " and \(ports.count - 4) more" : "")
            result.append(
                Finding(
                    .info, code: "bridge-without-hairpin", subject: nil,
                    message:
                        "bridge \(bridge.name) does not send frames back to the port that they came from (\(names)): a pod there "
                        + "cannot reach itself through a Service; hairpin mode of the network plugin, or 'bridge link set dev PORT "
                        + "hairpin on'"))
        }
        return result
    }
}
