import FairleadTestKit
import Glibc
import NetworkTypes

/// A client, a node without endpoints, and a node with three, each with Fairlead's rules of the Service `web`: what the client
/// sends to the load balancer IP is at its end within the call that sends it.
final class HandOnSide {
    /// What becomes of connections from outside on the first node.
    enum Way: String, CaseIterable {
        case masquerade, directReturn = "direct return"
    }

    let way: Way
    /// Where the packets come first.
    let node: NetworkNamespace
    /// Where the endpoints are.
    let next: NetworkNamespace
    let client: NetworkNamespace

    private static let links = (node: "02:00:00:00:00:01", next: "02:00:00:00:00:02", client: "02:00:00:00:00:03")
    private static let nodes: [IPFamily: (first: String, next: String)] = [
        .ipv4: ("172.30.0.1", "172.30.0.2"), .ipv6: ("fd00:30::1", "fd00:30::2"),
    ]
    private static let clients: [IPFamily: String] = [.ipv4: "198.51.100.10", .ipv6: "2001:db8:100::10"]
    static let front: [IPFamily: String] = [.ipv4: "10.250.0.80", .ipv6: "fd00:250::80"]
    private static let pods: [IPFamily: [String]] = [
        .ipv4: (11...13).map { "10.128.2.\($0)" }, .ipv6: (11...13).map { "fd00:128:2::\($0)" },
    ]
    /// The port with three endpoints, and the one with a single one.
    static let (port, single): (UInt16, UInt16) = (80, 81)
    private static let targetPort: UInt16 = 8080

    init(_ way: Way, _ bench: Bench, _ work: WorkDirectory) throws(TestKitError) {
        self.way = way
        node = try NetworkNamespace("node")
        next = try NetworkNamespace("next")
        client = try NetworkNamespace("client")
        for namespace in [node, next, client] {
            try namespace.setParameters([
                ("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0"),
                ("ipv6/conf/default/router_solicitations", "0"), ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"), ("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1"),
            ])
        }
        // Answers that the second node gives by itself have a link of their own.
        try node.ip([
            "link add client type veth peer name node netns \(client.path)",
            "link add next type veth peer name node netns \(next.path)",
        ])
        try next.ip(["link add client type veth peer name next netns \(client.path)"])
        try Self.connect(node, client, "client", "node", Self.links.node, Self.links.client)
        try Self.connect(node, next, "next", "node", Self.links.node, Self.links.next)
        try Self.connect(next, client, "client", "next", Self.links.next, Self.links.client)
        for family in IPFamily.allCases { try connect(family) }
        for (name, namespace) in [("node-a", node), ("node-b", next)] {
            let manifests = "\(work.path)/hand-on.yaml"
            try OutputFile(manifests).write(Self.manifests(way))
            defer { WorkDirectory.remove(manifests) }
            let ranges = "10.128.0.0/16,fd00:128::/32"
            let arguments = ["--manifests", manifests, "--node-name", name, "--cluster-cidr", ranges]
            try namespace.run { () throws(TestKitError) in
                _ = try MeasuredProcess(bench.fairlead.path, ["apply", "--quiet"] + arguments).finish()
            }
        }
    }

    private static func connect(
        _ one: NetworkNamespace, _ other: NetworkNamespace, _ device: String, _ otherDevice: String, _ link: String,
        _ otherLink: String
    ) throws(TestKitError) {
        try one.ip(["link set lo up", "link set \(device) address \(link) up"])
        try other.ip(["link set lo up", "link set \(otherDevice) address \(otherLink) up"])
    }

    private func connect(_ family: IPFamily) throws(TestKitError) {
        let bits = family == .ipv4 ? 32 : 128
        guard let (first, second) = Self.nodes[family], let caller = Self.clients[family],
            let front = Self.front[family],
            let pods = Self.pods[family]
        else { return }
        func neighbor(_ address: String, _ link: String, _ device: String) -> [String] {
            [
                "neighbor add \(address) lladdr \(link) nud permanent dev \(device)",
                "route add \(address) dev \(device)",
            ]
        }
        try client.ip(
            ["address add \(caller)/\(bits) dev node"] + neighbor(first, Self.links.node, "node")
                + ["route add \(front) via \(first) dev node"])
        try node.ip(
            ["address add \(first)/\(bits) dev next"] + neighbor(caller, Self.links.client, "client")
                + neighbor(second, Self.links.next, "next") + pods.map { "route add \($0) via \(second) dev next" })
        try next.ip(
            ["address add \(second)/\(bits) dev node"] + neighbor(first, Self.links.node, "node")
                + neighbor(caller, Self.links.client, "client") + pods.map { "address add \($0)/\(bits) dev lo" })
    }

    private static func manifests(_ way: Way) -> String {
        let annotation = way == .directReturn ? "annotations: {fairlead.dev/external-traffic: direct-return}, " : ""
        var text = ""
        for (name, port) in [("web", port), ("single", single)] {
            text += """
                apiVersion: v1
                kind: Service
                metadata: {namespace: bench, \(annotation)name: \(name)}
                spec:
                  type: LoadBalancer
                  clusterIP: 10.96.0.\(port)
                  clusterIPs: [10.96.0.\(port), "fd00:96::\(port)"]
                  ipFamilyPolicy: RequireDualStack
                  ports: [{name: web, protocol: UDP, port: \(port), nodePort: \(30000 + port)}]
                status: {loadBalancer: {ingress: [{ip: 10.250.0.80}, {ip: "fd00:250::80"}]}}
                ---

                """
            for family in IPFamily.allCases {
                let addresses = (pods[family] ?? []).prefix(name == "web" ? 3 : 1)
                let endpoints = addresses.map {
                    "{addresses: [\"\($0)\"], conditions: {ready: true}, nodeName: node-b}"
                }
                text += """
                    apiVersion: discovery.k8s.io/v1
                    kind: EndpointSlice
                    metadata: {namespace: bench, name: \(name)-\(family == .ipv4 ? 4 : 6), labels: {kubernetes.io/service-name: \(name)}}
                    addressType: \(family == .ipv4 ? "IPv4" : "IPv6")
                    ports: [{name: web, protocol: UDP, port: \(targetPort)}]
                    endpoints: [\(endpoints.joined(separator: ", "))]
                    ---

                    """
            }
        }
        for (name, pick) in [("node-a", \(first: String, next: String).first), ("node-b", \.next)] {
            let addresses = IPFamily.allCases.compactMap { nodes[$0] }.map {
                "{type: InternalIP, address: \"\($0[keyPath: pick])\"}"
            }
            text += """
                apiVersion: v1
                kind: Node
                metadata: {name: \(name)}
                status: {addresses: [\(addresses.joined(separator: ", "))]}
                ---

                """
        }
        return text
    }

    // MARK: Packets

    /// Sends datagrams of one flow that has been answered.
    ///
    /// - Parameters:
    ///   - size: bytes of payload.
    ///   - isAnswered: each is answered, and the answer read, before the next one.
    /// - Returns: nanoseconds of processor time for each.
    func further(_ count: Int, _ family: IPFamily, size: Int, isAnswered: Bool) throws(TestKitError) -> Double {
        let servers = try servers(family)
        defer { for server in servers { close(server) } }
        return try client.run { () throws(TestKitError) in
            let sender = try PathSide.socket(family, SOCK_DGRAM, Int32(IPPROTO_UDP))
            defer { close(sender) }
            try SystemCall.check(
                PathSide.with(Self.front[family] ?? "", Self.port) { Glibc.connect(sender, $0, $1) }, "connect")
            let message = [UInt8](repeating: 0, count: size)
            func ask() throws(TestKitError) -> Int32 {
                send(sender, message, size, 0)
                guard let server = servers.first(where: PathSide.answers) else {
                    throw .conversation("nothing came to an endpoint")
                }
                var answer: UInt8 = 0
                if recv(sender, &answer, 1, Int32(MSG_DONTWAIT)) < 0 {
                    throw .system(operation: "get an answer", errno: errno)
                }
                return server
            }
            // Two answers: the flow is assured then.
            _ = try ask()
            let server = try ask()
            let start = ProcessorTime.now
            if isAnswered {
                var answer: UInt8 = 0
                for _ in 0..<count {
                    send(sender, message, size, 0)
                    guard PathSide.answers(server), recv(sender, &answer, 1, Int32(MSG_DONTWAIT)) >= 0 else {
                        throw .conversation("a datagram or its answer got lost")
                    }
                }
            } else {
                for _ in 0..<count { send(sender, message, size, 0) }
            }
            return (ProcessorTime.now - start) / Double(count)
        }
    }

    func servers(_ family: IPFamily) throws(TestKitError) -> [Int32] {
        try next.run { () throws(TestKitError) in
            try (Self.pods[family] ?? []).map { pod throws(TestKitError) in
                let server = try PathSide.socket(family, SOCK_DGRAM, Int32(IPPROTO_UDP))
                var size: Int32 = 2048
                setsockopt(server, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
                try SystemCall.check(PathSide.with(pod, Self.targetPort) { bind(server, $0, $1) }, "bind")
                return server
            }
        }
    }

    /// Sends datagrams that each begin a flow, from as many addresses as it takes, and empties the first node's table of connections
    /// before.
    ///
    /// - Parameter port: which of the two ports.
    /// - Returns: nanoseconds of processor time for each, and how many connections the first node has then.
    func first(
        _ count: Int, _ family: IPFamily, to port: UInt16 = HandOnSide.port
    ) throws(TestKitError) -> (time: Double, tracked: Int) {
        for namespace in [node, next] {
            try namespace.run { () throws(TestKitError) in try PathSide.forgetConnections() }
        }
        let front = Self.front[family] ?? ""
        var (time, sent) = (0.0, 0)
        while sent < count {
            let part = min(count - sent, 50_000)
            let last = 10 + sent / 50_000
            let source = family == .ipv4 ? "198.51.100.\(last)" : "2001:db8:100::\(last)"
            let packets = try FirstPacketText(.udp, from: source, to: front, port).all(part)
            time += try client.run { () throws(TestKitError) in
                let sender = try PathSide.socket(family, SOCK_RAW, Int32(IPPROTO_RAW))
                defer { close(sender) }
                let size = packets.count / part
                return PathSide.with(front, 0) { name, length in
                    packets.withUnsafeBytes { bytes in
                        let start = ProcessorTime.now
                        for number in 0..<part {
                            _ = sendto(sender, bytes.baseAddress?.advanced(by: number * size), size, 0, name, length)
                        }
                        return ProcessorTime.now - start
                    }
                }
            }
            sent += part
        }
        let tracked = try node.run { () throws(TestKitError) in try ConntrackFiller.entries() }
        return (time / Double(count), tracked)
    }

    /// How many datagrams the second node has taken in since it was made, by family: delivered, or for nobody.
    func arrived(_ family: IPFamily) throws(TestKitError) -> Int {
        try next.run { () throws(TestKitError) in try Self.arrived(family) }
    }

    private static func arrived(_ family: IPFamily) throws(TestKitError) -> Int {
        let path = family == .ipv4 ? "/proc/thread-self/net/snmp" : "/proc/thread-self/net/snmp6"
        guard let file = fopen(path, "re") else { throw .system(operation: path, errno: errno) }
        defer { fclose(file) }
        var (names, sum): ([Substring], Int) = ([], 0)
        var buffer = [CChar](repeating: 0, count: 4096)
        while fgets(&buffer, Int32(buffer.count), file) != nil {
            let line = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace)
            if family == .ipv6, words.count == 2, ["Udp6InDatagrams", "Udp6NoPorts", "Udp6InErrors"].contains(words[0])
            {
                sum += Int(words[1]) ?? 0
            } else if family == .ipv4, words.first == "Udp:" {
                if names.isEmpty {
                    names = words
                    continue
                }
                for (name, value) in zip(names, words) where ["InDatagrams", "NoPorts", "InErrors"].contains(name) {
                    sum += Int(value) ?? 0
                }
            }
        }
        return sum
    }
}
