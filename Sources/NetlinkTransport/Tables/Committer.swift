import CLinux

/// Who committed to nftables, or owns a table: what the kernel tells of a process.
public struct Committer: Hashable, Sendable {
    /// The name of the program; nil if it is not known.
    public var name: String?
    /// The number of the process, or where only that is known the address of its netlink socket: most often the same.
    public var number: UInt32

    /// Makes a committer from what the kernel told.
    public init(name: String?, number: UInt32) {
        self.name = name
        self.number = number
    }

    /// The owner of a netlink socket. Its name is looked up, which works if it can be seen from here and has numbered its
    /// first socket as usual.
    init(port: UInt32) {
        number = port
        name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let length = fl_read_small("/proc/\(port)/comm", base, buffer.count)
            guard length > 1 else { return nil }
            let text = UnsafeRawBufferPointer(start: base, count: length).prefix { $0 != 10 }
            return String(decoding: text, as: UTF8.self)
        }
    }
}

extension Committer: CustomStringConvertible {
    /// `nft (process 123)`.
    public var description: String { name.map { "\($0) (process \(number))" } ?? "process \(number)" }
}
