import FairleadTestKit
import NetworkTypes

/// Rules of others that packets are measured against.
enum PathShape: String, CaseIterable {
    /// A node without connection tracking and without rules. A nat chain alone does not track connections.
    case nothing
    /// Connection tracking, and chains without rules where destinations and sources are translated.
    case tracking
    /// What kube-proxy's nftables mode is made of (KEP-3866): a map of verdicts leads from `address . protocol . port` to a chain for
    /// each Service port, which draws an endpoint; new flows are looked up in filter chains besides.
    case verdicts

    /// A rule that matches a state makes the kernel track connections, even where no packet comes by.
    private static let trackingTable = """
        table inet tracking {
          chain unused { ct state new accept; }
          chain pre { type nat hook prerouting priority -100; }
          chain out { type nat hook output priority -100; }
          chain post { type nat hook postrouting priority 100; }
        }

        """

    /// Loads it with `nft` in a namespace.
    func load(_ cluster: PathCluster, into node: NetworkNamespace, nft: String, _ work: WorkDirectory)
        throws(TestKitError)
    {
        let path = "\(work.path)/shape.nft"
        defer { WorkDirectory.remove(path) }
        func load(_ text: String) throws(TestKitError) {
            try OutputFile(path).write(text)
            try node.run { () throws(TestKitError) in _ = try MeasuredProcess(nft, ["-f", path]).finish() }
        }
        switch self {
        case .nothing: return
        case .tracking: try load(Self.trackingTable)
        case .verdicts:
            let services = cluster.all
            for family in IPFamily.allCases {
                try load(Self.base(family))
                for start in stride(from: 0, to: services.count, by: Self.servicesPerFile) {
                    Progress.show("\(services.count.grouped) Services: chains of \((start + 1).grouped)")
                    let end = min(start + Self.servicesPerFile, services.count)
                    try load(Self.text(services[start..<end], family, from: start))
                }
            }
        }
    }

    /// In a large transaction the kernel looks for chains in long lists.
    private static let servicesPerFile = 200

    private static func base(_ family: IPFamily) -> String {
        let (ip, type) = (family == .ipv4 ? "ip" : "ip6", family == .ipv4 ? "ipv4_addr" : "ipv6_addr")
        let key = "\(type) . inet_proto . inet_service"
        return """
            table \(ip) verdicts {
              map by-frontend { type \(key) : verdict; }
              map by-nodeport { type inet_proto . inet_service : verdict; }
              map unserved { type \(key) : verdict; }
              map unserved-nodeports { type inet_proto . inet_service : verdict; }
              map closed { type \(key) : verdict; }
              set virtual { type \(type); }
              set own { type \(type); elements = { \(PathCluster.node[family] ?? "") }; }
              set selves { type \(type) . \(type) . inet_proto . inet_service; }
              chain look {
                \(ip) daddr @virtual \(ip) saddr != \(PathCluster.podRanges[family] ?? "") meta mark set meta mark | 0x4000
                \(ip) daddr . meta l4proto . th dport vmap @by-frontend
                \(ip) daddr @own meta l4proto . th dport vmap @by-nodeport
              }
              chain check-sources { \(ip) daddr . meta l4proto . th dport vmap @closed; }
              chain check-frontend { \(ip) daddr . meta l4proto . th dport vmap @unserved; }
              chain check-nodeport { \(ip) daddr @own meta l4proto . th dport vmap @unserved-nodeports; }
              chain check-address {
                \(ip) daddr @virtual reject
                \(ip) daddr \(PathCluster.serviceRanges[family] ?? "") drop
              }
              chain filter-pre { type filter hook prerouting priority -110; ct state new jump check-sources; }
              chain filter-in {
                type filter hook input priority 0
                ct state new jump check-nodeport
                ct state new jump check-frontend
              }
              chain filter-forward {
                type filter hook forward priority 0
                ct state new jump check-frontend
                ct state new jump check-address
              }
              chain filter-before-out { type filter hook output priority -110; ct state new jump check-sources; }
              chain filter-out {
                type filter hook output priority 0
                ct state new jump check-frontend
                ct state new jump check-address
              }
              chain nat-pre { type nat hook prerouting priority -100; jump look; }
              chain nat-out { type nat hook output priority -100; jump look; }
              chain sources {
                meta mark & 0x4000 != 0 meta mark set meta mark ^ 0x4000 masquerade fully-random
                ct status dnat \(ip) saddr . \(ip) daddr . meta l4proto . th dport @selves masquerade fully-random
              }
              chain nat-post { type nat hook postrouting priority 100; jump sources; }
            }

            """
    }

    private static func text(_ services: ArraySlice<PathCluster.Service>, _ family: IPFamily, from start: Int) -> String
    {
        let ip = family == .ipv4 ? "ip" : "ip6"
        var text = "table \(ip) verdicts {\n"
        var (frontends, selves): ([String], [String]) = ([], [])
        for (index, service) in services.enumerated() {
            let address = service.clusterIP[family] ?? ""
            let pods = service.endpoints[family] ?? []
            for transport in ["tcp", "udp"] {
                let chain = "pick-\(start + index)-\(transport)"
                let draws = pods.enumerated().map { "\($0) : \($1) . \(PathCluster.targetPort)" }
                text += "chain \(chain) { meta l4proto \(transport) dnat \(ip) to numgen random mod \(pods.count) map "
                text += "{ \(draws.joined(separator: ", ")) }; }\n"
                frontends.append("\(address) . \(transport) . \(PathCluster.port) : goto \(chain)")
                for (number, pod) in pods.enumerated() where number % 4 == 0 {
                    selves.append("\(pod) . \(pod) . \(transport) . \(PathCluster.targetPort)")
                }
            }
        }
        text += "}\n"
        let addresses = services.map { $0.clusterIP[family] ?? "" }
        for (set, elements) in [("by-frontend", frontends), ("virtual", addresses), ("selves", selves)] {
            text += "add element \(ip) verdicts \(set) { \(elements.joined(separator: ", ")) }\n"
        }
        return text
    }
}
