import FairleadTestKit

/// The ClusterIPs of the same Services in the other shape that nftables offers: verdicts in a map, a chain for each Service and one for
/// each endpoint.
///
/// It does no more than a packet to a ClusterIP needs, which is less than a whole proxy does: masquerading is decided by a mark,
/// a Service without endpoints and an address without a Service are looked up before the packet leaves.
struct ChainRuleset {
    let cluster: SyntheticCluster

    /// How many Services a transaction has: in a large one the kernel looks for chains in long lists.
    private static let servicesPerFile = 200

    private static let base = """
        table ip chains {
          map services { type ipv4_addr . inet_proto . inet_service : verdict; }
          map unserved { type ipv4_addr . inet_proto . inet_service : verdict; }
          set addresses { type ipv4_addr; }
          chain to-masquerade { meta mark set meta mark | 0x4000; }
          chain pick { ip daddr . meta l4proto . th dport vmap @services; }
          chain nat-pre { type nat hook prerouting priority -100; jump pick; }
          chain nat-out { type nat hook output priority -100; jump pick; }
          chain nat-post {
            type nat hook postrouting priority 100;
            meta mark & 0x4000 == 0 return
            meta mark set meta mark ^ 0x4000
            masquerade fully-random
          }
          chain check { ip daddr . meta l4proto . th dport vmap @unserved; ip daddr @addresses reject; }
          chain filter-forward { type filter hook forward priority 0; ct state new jump check; }
          chain filter-out { type filter hook output priority 0; ct state new jump check; }
        }

        """

    /// Loads it with `nft` where the packets are sent.
    func load(into side: FirstPackets, nft: String, _ work: WorkDirectory) throws(TestKitError) {
        let path = "\(work.path)/chains.nft"
        defer { WorkDirectory.remove(path) }
        try load(Self.base, path, side, nft)
        for start in stride(from: 0, to: cluster.services, by: Self.servicesPerFile) {
            Progress.show("\(cluster.services.grouped) Services: chains of \((start + 1).grouped)")
            let services = start..<min(start + Self.servicesPerFile, cluster.services)
            var text = "table ip chains {\n"
            for service in services { text += chains(of: service) }
            text += "}\n"
            let elements = services.map { "\(SyntheticCluster.clusterIP($0).text) . tcp . 80 : goto service-\($0)" }
            text += "add element ip chains services { \(elements.joined(separator: ", ")) }\n"
            let addresses = services.map { SyntheticCluster.clusterIP($0).text }
            text += "add element ip chains addresses { \(addresses.joined(separator: ", ")) }\n"
            try load(text, path, side, nft)
        }
    }

    private func load(_ text: String, _ path: String, _ side: FirstPackets, _ nft: String) throws(TestKitError) {
        let file = try OutputFile(path)
        try file.write(text)
        try side.run(nft, ["-f", path])
    }

    private func chains(of service: Int) -> String {
        let pods = (0..<cluster.endpoints).map { cluster.place(service: service, endpoint: $0).address.text }
        var text = ""
        for (number, pod) in pods.enumerated() {
            text += "chain endpoint-\(service)-\(number) { ip saddr \(pod) jump to-masquerade; "
            text += "meta l4proto tcp dnat to \(pod):\(SyntheticCluster.targetPort); }\n"
        }
        let verdicts = pods.indices.map { "\($0) : goto endpoint-\(service)-\($0)" }.joined(separator: ", ")
        text += "chain service-\(service) { ip daddr \(SyntheticCluster.clusterIP(service).text) tcp dport 80 "
        text += "ip saddr != \(SyntheticCluster.podRange) jump to-masquerade; "
        return text + "numgen random mod \(pods.count) vmap { \(verdicts) }; }\n"
    }
}
