/// Asks the kernel for links, addresses and routes (rtnetlink) of the network namespace in which it was made. Not for concurrent use.
final class RouteReader {
    private let socket: NetlinkSocket
    private let buffer: UnsafeMutableRawBufferPointer
    private var sequence: UInt32 = 0
    /// What is done, for errors.
    private let operation: String

    /// The kernel fills datagrams of a dump up to 32 KiB.
    private static let receiveCapacity = 1 << 16
    private static let attempts = 16

    init(operation: String) throws(NetlinkError) {
        socket = try NetlinkSocket(netlinkProtocol: RouteMessage.netlinkProtocol)
        buffer = .allocate(byteCount: Self.receiveCapacity, alignment: 8)
        self.operation = operation
    }

    deinit { buffer.deallocate() }

    /// What a body makes of dumps, started again as long as something changes meanwhile.
    func whole<Result>(_ body: () throws(NetlinkError) -> Result) throws(NetlinkError) -> Result {
        for _ in 0..<Self.attempts {
            do throws(NetlinkError) { return try body() } catch {
                guard case .interrupted = error else { throw error }
            }
        }
        throw .interrupted(operation: operation)
    }

    /// Hands over all that there is of a kind. Throws `interrupted` if it changed meanwhile.
    func dump(_ type: UInt16, handle: (NetlinkMessage) -> Void) throws(NetlinkError) {
        // The length of `struct ifinfomsg`: of the headers of what is dumped it is the longest, and the kernel wants no less.
        try send(type, flags: NetlinkFlag.dump, Array(repeating: 0, count: 16))
        try receive(single: false, handle)
    }

    /// Hands over the one answer to a question.
    func ask(_ type: UInt16, _ body: [UInt8], handle: (NetlinkMessage) -> Void) throws(NetlinkError) {
        try send(type, flags: 0, body)
        try receive(single: true, handle)
    }

    private func send(_ type: UInt16, flags: UInt16, _ body: [UInt8]) throws(NetlinkError) {
        sequence += 1
        func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
        var request = bytes(UInt32(16 + body.count)) + bytes(type) + bytes(NetlinkFlag.request | flags)
        request += bytes(sequence) + bytes(UInt32(0)) + body
        let failure = request.withUnsafeBytes { bytes -> NetlinkError? in
            do throws(NetlinkError) { try socket.send(bytes) } catch { return error }
            return nil
        }
        if let failure { throw failure }
    }

    private func receive(single: Bool, _ handle: (NetlinkMessage) -> Void) throws(NetlinkError) {
        var reply = RouteReply(to: sequence, isSingle: single, operation: operation)
        var isComplete = false
        while !isComplete {
            guard let count = try socket.receive(into: buffer, milliseconds: 10_000) else {
                throw .system(operation: operation, errno: ErrorNumber.timedOut)
            }
            isComplete = try reply.take(UnsafeRawBufferPointer(rebasing: buffer[..<count]), handle)
        }
    }
}

/// What has come so far in answer to a request.
struct RouteReply {
    private let sequence: UInt32
    private let isSingle: Bool
    private let operation: String
    private var isInterrupted = false

    init(to sequence: UInt32, isSingle: Bool, operation: String) {
        (self.sequence, self.isSingle, self.operation) = (sequence, isSingle, operation)
    }

    /// Hands over the messages of a datagram. Returns whether there are no more to come.
    mutating func take(
        _ datagram: UnsafeRawBufferPointer, _ handle: (NetlinkMessage) -> Void
    ) throws(NetlinkError) -> Bool {
        for message in MessageSequence(datagram) where message.sequence == sequence {
            if message.flags & NetlinkFlag.dumpInterrupted != 0 { isInterrupted = true }
            switch message.type {
            case NetlinkControl.done:
                // A dump can fail at its end too.
                let code = ErrorReport(message).code
                if code != 0 { throw .system(operation: operation, errno: code) }
                if isInterrupted { throw .interrupted(operation: operation) }
                return true
            case NetlinkControl.error:
                throw .system(operation: operation, errno: ErrorReport(message).code)
            default:
                handle(message)
                if isSingle { return true }
            }
        }
        return false
    }
}
