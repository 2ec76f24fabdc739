import CLinux
import FairleadTestKit
import Glibc

/// Makes conntrack entries in the network namespace of the calling thread: UDP flows that have nothing to do with any Service.
struct ConntrackFiller {
    private static let netfilter: Int32 = 12
    private static let newEntry: UInt16 = 1 << 8
    /// `NLM_F_REQUEST`, `NLM_F_CREATE`.
    private static let flags: UInt16 = 1 | 0x400
    private static let nested: UInt16 = 0x8000
    private static let entriesPerSend = 256

    /// Makes so many entries, or as many as the kernel takes. Returns how many there are then.
    func fill(_ count: Int) throws(TestKitError) -> Int {
        var port: UInt32 = 0
        let socket = fl_netlink_open(Self.netfilter, &port)
        if socket < 0 { throw .system(operation: "open a netlink socket", errno: -socket) }
        defer { fl_close(socket) }
        var isFull = false
        for start in stride(from: 0, to: count, by: Self.entriesPerSend) where !isFull {
            let messages = (start..<min(start + Self.entriesPerSend, count)).flatMap(Self.message)
            let result = messages.withUnsafeBytes { fl_netlink_send(socket, $0.baseAddress, $0.count) }
            if result < 0 { throw .system(operation: "make conntrack entries", errno: -result) }
            // The kernel tells of failures only.
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while buffer.withUnsafeMutableBytes({ fl_netlink_receive(socket, $0.baseAddress, $0.count, 0) }) > 0 {
                isFull = true
            }
        }
        return try Self.entries()
    }

    /// How many entries there are.
    static func entries() throws(TestKitError) -> Int {
        let path = "/proc/sys/net/netfilter/nf_conntrack_count"
        let descriptor = try SystemCall.check(open(path, O_RDONLY | O_CLOEXEC), path)
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = read(descriptor, &buffer, buffer.count)
        let text = String(decoding: buffer.prefix(max(0, count)).prefix { $0 != 10 }, as: UTF8.self)
        guard let number = Int(text) else { throw .conversation("\(path) has no number") }
        return number
    }

    /// `struct nlmsghdr`, `struct nfgenmsg` and attributes (`enum ctattr_type`).
    private static func message(_ number: Int) -> [UInt8] {
        let client = UInt32(0x0B00_0000 + number / 500)
        let clientPort = UInt16(1024 + number % 500)
        let server = UInt32(0x0C00_0001)
        func tuple(_ type: UInt16, _ source: (UInt32, UInt16), _ target: (UInt32, UInt16)) -> [UInt8] {
            let addresses = attribute(1, bytes(source.0.bigEndian)) + attribute(2, bytes(target.0.bigEndian))
            let ports =
                attribute(1, [UInt8(IPPROTO_UDP)]) + attribute(2, bytes(source.1.bigEndian))
                + attribute(3, bytes(target.1.bigEndian))
            return attribute(type | nested, attribute(1 | nested, addresses) + attribute(2 | nested, ports))
        }
        let body =
            [UInt8(AF_INET), 0, 0, 0] + tuple(1, (client, clientPort), (server, 53))
            + tuple(2, (server, 53), (client, clientPort)) + attribute(7, bytes(UInt32(36_000).bigEndian))
        let header = bytes(UInt32(16 + body.count)) + bytes(newEntry) + bytes(flags)
        return header + bytes(UInt32(1)) + bytes(UInt32(0)) + body
    }

    private static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: -value.count & 3)
        return bytes(UInt16(4 + value.count)) + bytes(type) + value + padding
    }

    private static func bytes<Number>(_ number: Number) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}
