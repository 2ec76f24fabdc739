import Testing

@testable import NetlinkTransport

@Suite("Messages to the kernel")
struct EncodingTests {
    /// The bytes between the end of each attribute and the next one.
    private static func padding(_ attributes: AttributeSequence, depth: Int = 0) -> [UInt8] {
        attributes.flatMap { attribute -> [UInt8] in
            let (value, length) = (attribute.value, attribute.value.count)
            // The attribute lies in a buffer that goes on up to the next multiple of four.
            let pad = value.baseAddress.map { Array(UnsafeRawBufferPointer(start: $0 + length, count: -length & 3)) }
            return (pad ?? []) + (depth < 6 ? padding(attribute.nested, depth: depth + 1) : [])
        }
    }

    @Test("Nothing is sent that was in memory by chance")
    func padding() throws {
        // Memory that is used again has something in it.
        for _ in 0..<8 {
            let dirty = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
            dirty.initializeMemory(as: UInt8.self, repeating: 0xA5)
            dirty.deallocate()
        }
        let bytes = try NftablesKernel.bytes(of: KernelBench.transaction(Tables.random(seed: 3, count: 6)))
        let padding = bytes.withUnsafeBytes { buffer in
            MessageSequence(buffer).flatMap { Self.padding($0.attributes) }
        }
        #expect(padding.count > 1000)
        #expect(padding.allSatisfy { $0 == 0 }, "\(padding.filter { $0 != 0 }.count) of \(padding.count) bytes")
    }
}
