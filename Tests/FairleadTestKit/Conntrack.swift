import Glibc
import NetworkTypes

extension NetworkNamespace {
    /// The conntrack table: `udp src=… dst=… sport=… dport=… src=…`, both directions of each entry, without timeouts and
    /// states, which change by themselves. IPv6 addresses are written out in full.
    public func conntrackEntries() async throws(TestKitError) -> Set<String> {
        let table = try await perform { () throws(TestKitError) in
            try Self.read("/proc/thread-self/net/nf_conntrack")
        }
        return Set(
            table.split(separator: "\n").map { line in
                let words = line.split(separator: " ")
                let stable = words.filter { $0.contains("=") && !$0.hasPrefix("use=") }
                return ([words.count > 2 ? words[2] : ""] + stable).joined(separator: " ")
            })
    }

    /// The value of a kernel parameter of the namespace; the path is below `/proc/sys/net`.
    public func parameter(_ path: String) async throws(TestKitError) -> String {
        let text = try await perform { () throws(TestKitError) in try Self.read("/proc/sys/net/\(path)") }
        return String(text.prefix { $0 != "\n" })
    }

    private static func read(_ path: String) throws(TestKitError) -> String {
        let descriptor = try TestKitError.checkErrno(open(path, O_RDONLY | O_CLOEXEC), path)
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 { throw .system(operation: path, errno: errno) }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    /// Sends one UDP datagram to each of the ports from one socket, and waits for no answer: each makes a flow.
    public func sendDatagrams(to address: IPAddress, ports: ClosedRange<UInt16>) async throws(TestKitError) {
        try await perform { () throws(TestKitError) in
            let socket = try Socket(.udp, address.family)
            for port in ports {
                socket.send(Array("?\n".utf8), to: HostPort(address, port))
                // Errors of earlier datagrams that came back would hold up the next one.
                _ = socket.takeError()
            }
        }
    }
}
