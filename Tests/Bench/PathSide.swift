import CLinux
import FairleadTestKit
import Glibc
import NetworkTypes

/// A node with a client and pods: the kernel carries what the client sends to the end of its way within the call that sends it.
final class PathSide {
    let node: NetworkNamespace
    private let client: NetworkNamespace
    private let pod: NetworkNamespace
    /// Those that answer.
    private let endpoints: [IPFamily: [String]]

    /// Makes a node without rules.
    init(_ cluster: PathCluster) throws(TestKitError) {
        endpoints = cluster.answering.endpoints
        node = try NetworkNamespace("node")
        client = try NetworkNamespace("client")
        pod = try NetworkNamespace("pod")
        // IPv6 addresses are in use at once.
        for namespace in [node, client, pod] {
            try namespace.setParameters([
                ("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0"),
                ("ipv6/conf/default/router_solicitations", "0"),
            ])
        }
        try node.ip(
            [
                "link add client type veth peer name way netns \(client.path)",
                "link add pod type veth peer name way netns \(pod.path)",
                // A bridge without ports swallows what it gets.
                "link add sink type bridge",
            ] + ["client", "pod", "sink"].map { "link set \($0) address \(Self.nodeLink) up" })
        try node.setParameters([("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")])
        for (namespace, device, addresses) in [
            (client, "client", { [PathCluster.client[$0] ?? ""] }),
            (pod, "pod", { (family: IPFamily) in cluster.answering.endpoints[family] ?? [] }),
        ] {
            try namespace.ip(["link set way address \(Self.farLink) up"])
            for family in IPFamily.allCases {
                let (bits, gateway) = (family == .ipv4 ? 32 : 128, PathCluster.node[family] ?? "")
                try namespace.ip(
                    addresses(family).map { "address add \($0)/\(bits) dev way" } + [
                        "neighbor add \(gateway) lladdr \(Self.nodeLink) nud permanent dev way",
                        "route add \(gateway) dev way", "route add default via \(gateway) dev way",
                    ])
                try node.ip(
                    addresses(family).flatMap {
                        [
                            "neighbor add \($0) lladdr \(Self.farLink) nud permanent dev \(device)",
                            "route add \($0) dev \(device)",
                        ]
                    })
            }
        }
        for family in IPFamily.allCases {
            let bits = family == .ipv4 ? 32 : 128
            try node.ip(
                ["address add \(PathCluster.node[family] ?? "")/\(bits) dev sink"]
                    + (cluster.silent.endpoints[family] ?? []).flatMap {
                        [
                            "neighbor add \($0) lladdr \(Self.farLink) nud permanent dev sink",
                            "route add \($0) dev sink",
                        ]
                    }
                    // Where ClusterIPs would go without rules: a route that the node's own packets have to have at first.
                    + ["route add \(PathCluster.serviceRanges[family] ?? "") dev sink"])
        }
    }

    private static let nodeLink = "02:00:00:00:00:01"
    private static let farLink = "02:00:00:00:00:02"

    // MARK: Packets

    /// Where packets come from.
    enum Origin: String, CaseIterable {
        case forwarded, own
    }

    /// Sends datagrams of one flow that has been answered.
    ///
    /// - Returns: nanoseconds of processor time for each.
    func established(
        _ count: Int, from origin: Origin, to address: String, _ port: UInt16, _ family: IPFamily
    ) throws(TestKitError) -> Double {
        // One for each endpoint: what answers has to be what was asked.
        let servers = try pod.run { () throws(TestKitError) in
            try (endpoints[family] ?? []).map { endpoint throws(TestKitError) in
                let server = try Self.socket(family, SOCK_DGRAM, Int32(IPPROTO_UDP))
                var size: Int32 = 2048
                setsockopt(server, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
                try SystemCall.check(Self.with(endpoint, PathCluster.targetPort) { bind(server, $0, $1) }, "bind")
                return server
            }
        }
        defer { for server in servers { close(server) } }
        return try namespace(origin).run { () throws(TestKitError) in
            let sender = try Self.socket(family, SOCK_DGRAM, Int32(IPPROTO_UDP))
            defer { close(sender) }
            try SystemCall.check(Self.with(address, port) { connect(sender, $0, $1) }, "connect")
            let message = [UInt8](repeating: 0, count: 16)
            // Two answers: the flow is assured then.
            for _ in 0..<2 {
                send(sender, message, message.count, 0)
                guard servers.contains(where: Self.answers) else {
                    throw .conversation("nothing came from \(address) to an endpoint")
                }
                var answer: UInt8 = 0
                if recv(sender, &answer, 1, Int32(MSG_DONTWAIT)) < 0 {
                    throw .system(operation: "get an answer from \(address)", errno: errno)
                }
            }
            let start = ProcessorTime.now
            for _ in 0..<count { send(sender, message, message.count, 0) }
            return (ProcessorTime.now - start) / Double(count)
        }
    }

    /// Answers a datagram, if there is one.
    static func answers(_ server: Int32) -> Bool {
        var byte: UInt8 = 0
        var peer = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                recvfrom(server, &byte, 1, Int32(MSG_DONTWAIT), name, &length) >= 0
                    && sendto(server, &byte, 1, 0, name, length) == 1
            }
        }
    }

    /// Sends packets that each begin a flow, and empties the table of connections before.
    ///
    /// - Returns: nanoseconds of processor time for each.
    func new(
        _ count: Int, _ transport: TransportProtocol, from origin: Origin, to address: String, _ port: UInt16,
        _ family: IPFamily
    ) throws(TestKitError) -> Double {
        try node.run { () throws(TestKitError) in try Self.forgetConnections() }
        let source = (origin == .own ? PathCluster.node : PathCluster.client)[family] ?? ""
        let packets = try FirstPacketText(transport, from: source, to: address, port).all(count)
        let size = packets.count / max(1, count)
        return try namespace(origin).run { () throws(TestKitError) in
            let sender = try Self.socket(family, SOCK_RAW, Int32(IPPROTO_RAW))
            defer { close(sender) }
            let failed = Self.with(address, 0) { name, length in
                packets.withUnsafeBytes { bytes -> (status: Int, time: Double) in
                    let start = ProcessorTime.now
                    for number in 0..<count {
                        let packet = bytes.baseAddress?.advanced(by: number * size)
                        let status = sendto(sender, packet, size, 0, name, length)
                        // A rule that refuses a packet of the node itself says so.
                        if status < 0 { return (status, 0) }
                    }
                    return (0, (ProcessorTime.now - start) / Double(count))
                }
            }
            if failed.status < 0 { throw .system(operation: "send to \(address)", errno: errno) }
            return failed.time
        }
    }

    /// How many connections the node tracks.
    func connections() throws(TestKitError) -> Int {
        try node.run { () throws(TestKitError) in try ConntrackFiller.entries() }
    }

    private func namespace(_ origin: Origin) -> NetworkNamespace { origin == .own ? node : client }

    static func socket(_ family: IPFamily, _ type: __socket_type, _ transport: Int32) throws(TestKitError)
        -> Int32
    {
        try SystemCall.check(
            Glibc.socket(
                family == .ipv4 ? AF_INET : AF_INET6, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), transport),
            "socket")
    }

    static func with<Result>(
        _ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        func call(_ pointer: UnsafeRawPointer, _ size: Int) -> Result {
            body(pointer.assumingMemoryBound(to: sockaddr.self), socklen_t(size))
        }
        if address.contains(":") {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            inet_pton(AF_INET6, address, &name.sin6_addr)
            return withUnsafePointer(to: &name) { call($0, MemoryLayout<sockaddr_in6>.size) }
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &name.sin_addr)
        return withUnsafePointer(to: &name) { call($0, MemoryLayout<sockaddr_in>.size) }
    }

    /// `IPCTNL_MSG_CT_DELETE` without a flow: all of the namespace.
    static func forgetConnections() throws(TestKitError) {
        var port: UInt32 = 0
        let socket = fl_netlink_open(12, &port)
        if socket < 0 { throw .system(operation: "open a netlink socket", errno: -socket) }
        defer { fl_close(socket) }
        var message = [UInt8](repeating: 0, count: 20)
        // Length, type, NLM_F_REQUEST and NLM_F_ACK.
        (message[0], message[4], message[5], message[6]) = (20, 2, 1, 5)
        let sent = message.withUnsafeBytes { fl_netlink_send(socket, $0.baseAddress, $0.count) }
        if sent < 0 { throw .system(operation: "forget connections", errno: -sent) }
        var answer = [UInt8](repeating: 0, count: 256)
        let size = answer.count
        let status = answer.withUnsafeMutableBytes { fl_netlink_receive(socket, $0.baseAddress, size, 1) }
        if status < 0 { throw .system(operation: "forget connections", errno: -Int32(status)) }
    }
}
