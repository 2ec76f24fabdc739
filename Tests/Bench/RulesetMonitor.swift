import CLinux
import FairleadTestKit
import Glibc

/// A socket in the network namespace of the thread that opened it, which hears of every commit to the ruleset.
final class RulesetMonitor {
    /// An element that a commit added or removed.
    struct ChangedElement {
        var set: String
        var key: [UInt8]
    }

    /// What the kernel told of one commit.
    struct Commit {
        /// When the message arrived that closes the notification.
        var time: ContinuousClock.Instant
        var elements: [ChangedElement] = []
        /// Messages about anything else than elements.
        var otherMessages = 0
    }

    private let socket: Int32
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)

    private static let netfilter: Int32 = 12
    private static let group: UInt32 = 7
    private static let subsystem: UInt16 = 10 << 8
    private static let newElement = subsystem | 12
    private static let deleteElement = subsystem | 14
    private static let newGeneration = subsystem | 15
    private static let getGeneration = subsystem | 16

    /// Opens a socket for questions only; ``subscribe()`` adds the notifications.
    init() throws(TestKitError) {
        var port: UInt32 = 0
        socket = fl_netlink_open(Self.netfilter, &port)
        if socket < 0 { throw .system(operation: "open a netlink socket", errno: -socket) }
    }

    deinit { fl_close(socket) }

    /// Hears of every commit from now on.
    func subscribe() throws(TestKitError) {
        try Self.check(fl_netlink_reserve_receive(socket, 8 << 20), "size the receive buffer")
        try Self.check(fl_netlink_join(socket, Self.group), "subscribe to nftables notifications")
    }

    /// The number of the ruleset. Not to be asked after ``subscribe()``.
    func generation() throws(TestKitError) -> UInt32 {
        var request = [UInt8](repeating: 0, count: 20)
        request.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: 20, as: UInt32.self)
            bytes.storeBytes(of: Self.getGeneration, toByteOffset: 4, as: UInt16.self)
            bytes.storeBytes(of: 1, toByteOffset: 6, as: UInt16.self)
        }
        try Self.check(fl_netlink_send(socket, request, request.count), "ask for the generation")
        var result: UInt32?
        guard
            try receive(
                milliseconds: 5000,
                { type, attributes in
                    if type == Self.newGeneration {
                        attributes.forEach { kind, value in if kind == 1 { result = value.bigEndianNumber } }
                    }
                }), let result
        else { throw .conversation("the kernel does not tell the generation of the ruleset") }
        return result
    }

    /// Waits for the next commit; nil if there is none in time.
    func nextCommit(milliseconds: Int32) throws(TestKitError) -> Commit? {
        var commit = Commit(time: .now)
        var isComplete = false
        while !isComplete {
            let received = try receive(milliseconds: milliseconds) { type, attributes in
                switch type {
                case Self.newElement, Self.deleteElement: commit.elements += Self.elements(attributes)
                case Self.newGeneration: isComplete = true
                default: commit.otherMessages += 1
                }
            }
            commit.time = .now
            if !received { return nil }
        }
        return commit
    }

    /// Receives one datagram and shows its messages; false if none came in time.
    private func receive(
        milliseconds: Int32, _ body: (UInt16, NetlinkAttributes) -> Void
    ) throws(TestKitError) -> Bool {
        let count = buffer.withUnsafeMutableBytes { fl_netlink_receive(socket, $0.baseAddress, $0.count, milliseconds) }
        if count == -Int(EAGAIN) { return false }
        if count < 0 { throw .system(operation: "receive nftables notifications", errno: Int32(-count)) }
        buffer.withUnsafeBytes { bytes in
            var offset = 0
            while offset + 16 <= count {
                let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                let type = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)
                guard length >= 16, offset + length <= count else { break }
                let start = min(offset + 20, offset + length)
                body(type, NetlinkAttributes(bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<offset + length])))
                offset += (length + 3) & ~3
            }
        }
        return true
    }

    private static func elements(_ message: NetlinkAttributes) -> [ChangedElement] {
        var set = ""
        var keys: [[UInt8]] = []
        message.forEach { kind, value in
            if kind == 2 { set = String(decoding: value.bytes.prefix { $0 != 0 }, as: UTF8.self) }
            if kind == 3 {
                value.forEach { _, element in
                    var key: [UInt8] = []
                    element.forEach { kind, value in
                        if kind == 1 { value.forEach { kind, value in if kind == 1 { key = Array(value.bytes) } } }
                    }
                    keys.append(key)
                }
            }
        }
        return keys.map { ChangedElement(set: set, key: $0) }
    }

    private static func check(_ result: Int32, _ operation: String) throws(TestKitError) {
        if result < 0 { throw .system(operation: operation, errno: -result) }
    }
}

/// Netlink attributes one after the other.
struct NetlinkAttributes {
    let bytes: UnsafeRawBufferPointer

    /// Shows each attribute's type, without its flags, and what is in it.
    func forEach(_ body: (UInt16, NetlinkAttributes) -> Void) {
        var offset = 0
        while offset + 4 <= bytes.count {
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            let type = bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self) & 0x3fff
            guard length >= 4, offset + length <= bytes.count else { return }
            let value = UnsafeRawBufferPointer(rebasing: bytes[offset + 4..<offset + length])
            body(type, NetlinkAttributes(bytes: value))
            offset += (length + 3) & ~3
        }
    }

    /// The value as a number in network byte order.
    var bigEndianNumber: UInt32? {
        bytes.count == 4 ? UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)) : nil
    }
}
