/// Writes netlink messages one behind the other into a single growing buffer.
///
/// Numbers of the message header are in host byte order; nftables attributes hold theirs in network byte order.
struct MessageWriter: ~Copyable {
    private var memory: UnsafeMutableRawPointer
    private var capacity: Int
    /// The number of bytes written.
    private(set) var count = 0

    init(capacity: Int = 1 << 16) {
        self.capacity = capacity
        memory = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { memory.deallocate() }

    /// The bytes written so far.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

    /// Forgets what was written and keeps the memory.
    mutating func removeAll() { count = 0 }

    // MARK: Messages

    /// Starts a message with netlink and nfnetlink headers. Returns its offset for `endMessage`.
    mutating func beginMessage(
        type: UInt16, flags: UInt16, sequence: UInt32, family: UInt8, resourceID: UInt16 = 0
    ) -> Int {
        let start = count
        let header = claim(20)
        header.storeBytes(of: UInt32(0), as: UInt32.self)
        header.storeBytes(of: type, toByteOffset: 4, as: UInt16.self)
        header.storeBytes(of: flags, toByteOffset: 6, as: UInt16.self)
        header.storeBytes(of: sequence, toByteOffset: 8, as: UInt32.self)
        header.storeBytes(of: UInt32(0), toByteOffset: 12, as: UInt32.self)
        header.storeBytes(of: family, toByteOffset: 16, as: UInt8.self)
        header.storeBytes(of: UInt8(0), toByteOffset: 17, as: UInt8.self)
        header.storeBytes(of: resourceID.bigEndian, toByteOffset: 18, as: UInt16.self)
        return start
    }

    /// Ends the message that started at the offset: fills in its length.
    mutating func endMessage(_ start: Int) {
        (memory + start).storeBytes(of: UInt32(count - start), as: UInt32.self)
    }

    /// Appends a message that somebody else has built; its length must be a multiple of four.
    mutating func append(_ message: UnsafeRawBufferPointer) {
        guard let source = message.baseAddress else { return }
        claim(message.count).copyMemory(from: source, byteCount: message.count)
    }

    /// Sets flags of the message at the offset.
    mutating func setFlags(_ flags: UInt16, ofMessageAt start: Int) {
        let old = (memory + start).loadUnaligned(fromByteOffset: 6, as: UInt16.self)
        (memory + start).storeBytes(of: old | flags, toByteOffset: 6, as: UInt16.self)
    }

    // MARK: Attributes

    /// Starts a nested attribute. Returns its offset for `endNest`.
    mutating func beginNest(_ type: UInt16) -> Int {
        let start = count
        let header = claim(4)
        header.storeBytes(of: UInt16(0), as: UInt16.self)
        header.storeBytes(of: type | AttributeFlag.nested, toByteOffset: 2, as: UInt16.self)
        return start
    }

    /// Ends a nested attribute. Its length has to fit 16 bits; the callers bound what they put in.
    mutating func endNest(_ start: Int) {
        (memory + start).storeBytes(of: UInt16(count - start), as: UInt16.self)
    }

    /// Writes a number in network byte order.
    mutating func put(_ type: UInt16, _ value: UInt32) {
        let target = header(type, payload: 4)
        target.storeBytes(of: value.bigEndian, as: UInt32.self)
    }

    /// Writes text with a terminating zero.
    mutating func put(_ type: UInt16, _ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            let target = header(type, payload: utf8.count + 1)
            if let source = utf8.baseAddress { target.copyMemory(from: source, byteCount: utf8.count) }
            target.storeBytes(of: 0, toByteOffset: utf8.count, as: UInt8.self)
        }
    }

    /// Writes an attribute of so many bytes. Returns where they go; they are to be written at once.
    mutating func header(_ type: UInt16, payload: Int) -> UnsafeMutableRawPointer {
        let padded = (payload + 3) & ~3
        let start = claim(4 + padded)
        start.storeBytes(of: UInt16(4 + payload), as: UInt16.self)
        start.storeBytes(of: type, toByteOffset: 2, as: UInt16.self)
        if padded != payload { (start + padded).storeBytes(of: 0, as: UInt32.self) }
        return start + 4
    }

    private mutating func claim(_ bytes: Int) -> UnsafeMutableRawPointer {
        if count + bytes > capacity { grow(to: count + bytes) }
        defer { count += bytes }
        return memory + count
    }

    private mutating func grow(to needed: Int) {
        let larger = max(capacity * 2, needed)
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        fresh.copyMemory(from: memory, byteCount: count)
        memory.deallocate()
        memory = fresh
        capacity = larger
    }
}
