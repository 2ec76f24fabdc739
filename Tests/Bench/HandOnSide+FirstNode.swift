import FairleadTestKit
import Glibc
import NetworkTypes

extension HandOnSide {
    /// Nanoseconds of processor time that the first node alone takes for one flow.
    struct FirstNode {
        /// For a datagram of the client.
        var forward = 0.0
        /// For an answer: none where answers do not pass it.
        var back = 0.0
    }

    /// Takes what a packet costs up to the far end of a link behind the first node, where it is dropped, and what it costs up to the near
    /// end of the link before; what lies between is the first node's.
    func firstNode(_ count: Int, _ family: IPFamily, size: Int, nft: String) throws(TestKitError) -> FirstNode {
        let servers = try servers(family)
        defer { for server in servers { close(server) } }
        let sender = try client.run { () throws(TestKitError) in
            let sender = try PathSide.socket(family, SOCK_DGRAM, Int32(IPPROTO_UDP))
            let front = Self.front[family] ?? ""
            try SystemCall.check(PathSide.with(front, Self.port) { connect(sender, $0, $1) }, "connect")
            return sender
        }
        defer { close(sender) }
        let message = [UInt8](repeating: 0, count: size)
        // Two answers: the flow is assured then.
        var flow = try exchange(sender, message, servers)
        flow = try exchange(sender, message, servers)
        func time(_ body: () -> Void) -> Double {
            let start = ProcessorTime.now
            for _ in 0..<count { body() }
            return (ProcessorTime.now - start) / Double(count)
        }
        func forward() -> Double { time { send(sender, message, size, 0) } }
        func back() -> Double { time { flow.answer(message) } }
        var result = FirstNode()
        let (arrival, departure) = (Cut(node, "client"), Cut(next, "node"))
        result.forward = try departure.during(nft, forward) - arrival.during(nft, forward)
        let (return_, end) = (Cut(node, "next"), Cut(client, "node"))
        switch way {
        case .masquerade: result.back = try end.during(nft, back) - return_.during(nft, back)
        case .directReturn:
            // Nothing comes back to the first node, and the answer is there all the same.
            let came = try return_.during(nft) { () -> Result<Flow, TestKitError> in
                Result { () throws(TestKitError) in try exchange(sender, message, servers) }
            }
            _ = try came.get()
        }
        return result
    }

    /// An endpoint's socket, and whom it answers.
    private struct Flow {
        var server: Int32
        var peer = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

        func answer(_ message: [UInt8]) {
            var peer = peer
            withUnsafePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                    _ = sendto(server, message, message.count, 0, name, length)
                }
            }
        }

        /// Takes what has come for a server; nil if nothing has.
        init?(_ server: Int32) {
            self.server = server
            var byte: UInt8 = 0
            let count = withUnsafeMutablePointer(to: &peer) { [length] pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                    var size = length
                    return recvfrom(server, &byte, 1, Int32(MSG_DONTWAIT), name, &size)
                }
            }
            if count < 0 { return nil }
            length = socklen_t(
                peer.ss_family == sa_family_t(AF_INET)
                    ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size)
        }
    }

    private func exchange(_ sender: Int32, _ message: [UInt8], _ servers: [Int32]) throws(TestKitError) -> Flow {
        send(sender, message, message.count, 0)
        var flow: Flow?
        for server in servers where flow == nil { flow = Flow(server) }
        guard let flow else { throw .conversation("nothing came to an endpoint") }
        flow.answer(message)
        var answer: UInt8 = 0
        if recv(sender, &answer, 1, Int32(MSG_DONTWAIT)) < 0 {
            throw .system(operation: "get an answer", errno: errno)
        }
        return flow
    }

    /// A device that drops what comes in.
    private struct Cut {
        let namespace: NetworkNamespace
        let device: String

        init(_ namespace: NetworkNamespace, _ device: String) { (self.namespace, self.device) = (namespace, device) }

        func during<Value>(_ nft: String, _ body: () -> Value) throws(TestKitError) -> Value {
            let table = """
                table netdev cut {
                 chain arrivals { type filter hook ingress device "\(device)" priority 0; policy drop; }
                }
                """
            try load(nft, table)
            let value = body()
            try load(nft, "delete table netdev cut\n")
            return value
        }

        private func load(_ nft: String, _ text: String) throws(TestKitError) {
            _ = try namespace.run(Program(nft, ["-f", "-"], input: text)).requireSuccess()
        }
    }
}
