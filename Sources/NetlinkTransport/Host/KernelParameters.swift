import CLinux

/// Numbers in files below `/proc/sys` and `/sys/module`.
public enum KernelParameters {
    /// The number in the file; nil if it cannot be read or is none.
    public static func read(_ path: String) -> Int? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer -> Int? in
            guard let base = buffer.baseAddress else { return nil }
            let length = fl_read_small(path, base, buffer.count)
            guard length > 0 else { return nil }
            let text = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return Int(text.prefix { $0.isNumber || $0 == "-" })
        }
    }

    /// Writes a number to the file.
    public static func write(_ value: Int, to path: String) throws(NetlinkError) {
        let result = fl_write_small(path, "\(value)\n")
        guard result == 0 else { throw .system(operation: "write \(value) to \(path)", errno: -result) }
    }

    /// How many processors are online.
    public static var processors: Int { Int(fl_processor_count()) }

    /// Lets packets from 127.0.0.0/8 leave loopback, which node ports on 127.0.0.1 need. The rules have to be in force
    /// before: they keep other hosts from sending packets to 127.0.0.0/8.
    public static func routeLocalnet() throws(NetlinkError) {
        let status = fl_enable_parameter("/proc/sys/net/ipv4/conf/all/route_localnet")
        if status < 0 { throw .system(operation: "set net.ipv4.conf.all.route_localnet", errno: -status) }
    }
}
