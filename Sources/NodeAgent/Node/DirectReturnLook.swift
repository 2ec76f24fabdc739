import KubernetesModel
import NetlinkTransport
import NetworkTypes

/// Looks at what packets need that are handed on from node to node (direct return): a route to each endpoint elsewhere, and no strict
/// filter where they come in.
struct DirectReturnLook {
    private let routes: HostLinks
    private let links: [UInt32: HostLink]
    private let parameters: String

    /// An address of the range for documentation (RFC 5737): the way to it is the way to clients that no other route names.
    private static let client: IPAddress = .v4(IPv4Address(rawValue: 203 << 24 | 113 << 8 | 1))

    /// - Parameter parameters: where the kernel's parameters are.
    init(parameters: String) throws(NetlinkError) {
        routes = try HostLinks()
        links = try routes.links()
        self.parameters = parameters
    }

    /// What is wrong.
    ///
    /// - Parameter endpoints: addresses of endpoints on other nodes.
    func findings(endpoints: [IPAddress]) -> [Finding] {
        var (unreachable, strict): ([IPAddress], Set<String>) = ([], [])
        let clients = routes.route(to: Self.client)
        for address in endpoints {
            guard let route = routes.route(to: address) else {
                unreachable.append(address)
                continue
            }
            // What other nodes hand on comes the way by which it would go there. IPv6 has no such filter.
            guard address.family == .ipv4, !route.isOwn, route.link != clients?.link, let link = links[route.link],
                isStrict(link.name)
            else { continue }
            strict.insert(link.name)
        }
        var result: [Finding] = []
        if let first = unreachable.first {
            let others = unreachable.count > 1 ? " and \(unreachable.count - 1) more" : ""
            result.append(
                Finding(
                    .warning, code: "direct-return-without-route", subject: nil,
                    message:
                        "there is no route to endpoint \(first)\(others) of a Service with \(Service.directReturn): connections from "
                        + "outside that belong there are lost; see whether the network plugin reaches the pod's node"))
        }
        for name in strict.sorted() {
            // A dot in a name is a slash for sysctl.
            let key = "net.ipv4.conf.\(name.map { $0 == "." ? "/" : String($0) }.joined()).rp_filter"
            result.append(
                Finding(
                    .warning, code: "direct-return-strict-filter", subject: nil,
                    message:
                        "rp_filter is strict on \(name), where packets come in that other nodes hand on for Services with "
                        + "\(Service.directReturn), and clients are reached by another interface: the kernel drops them; "
                        + "sysctl -w \(key)=2"))
        }
        return result
    }

    /// The larger one of `all` and of the interface counts; 1 is strict.
    private func isStrict(_ name: String) -> Bool {
        func value(_ name: String) -> Int {
            KernelParameters.read("\(parameters)/net/ipv4/conf/\(name)/rp_filter") ?? 0
        }
        return max(value("all"), value(name)) == 1
    }
}
