import KubernetesModel
import KubernetesWire
import Testing
import WireTestKit

/// Bodies that arrive in pieces.
@Suite struct StreamTests {
    @Test func aListMayArriveInTwoPiecesCutAnywhere() throws {
        let bytes = Golden.services.bytes
        let whole = try ListDecoder.decode(bytes, kind: .service)
        for cut in 0...bytes.count {
            var decoder = ListDecoder(kind: .service)
            try decoder.append(Array(bytes[..<cut]))
            try decoder.append(Array(bytes[cut...]))
            #expect(try decoder.finish() == whole, "\(cut)")
        }
    }

    @Test(arguments: ObjectID.Kind.allCases, [1, 2, 3, 7, 64, 1000])
    func aListMayArriveInPiecesOfAnySize(_ kind: ObjectID.Kind, _ size: Int) throws {
        var random = RandomObjects(seed: 9)
        let items = (0..<20).map { _ in random.object(kind).protobuf() }
        let body = WireEncoder.list(kind, items, resourceVersion: "1")
        var decoder = ListDecoder(kind: kind)
        for start in stride(from: 0, to: body.count, by: size) {
            try decoder.append(Array(body[start..<min(start + size, body.count)]))
        }
        #expect(try decoder.finish() == ListDecoder.decode(body, kind: kind))
    }

    @Test func itemsAreDecodedAsSoonAsTheyAreThere() throws {
        var random = RandomObjects(seed: 2)
        let items = (0..<3).map { _ in random.object(.node).protobuf() }
        let one = WireEncoder.list(.node, [items[0]], resourceVersion: "1")
        let body = WireEncoder.list(.node, items, resourceVersion: "1")
        var decoder = ListDecoder(kind: .node)
        try decoder.append(Array(body[..<(one.count + 8)]))
        #expect(decoder.itemCount == 1)
        #expect(throws: WireError.self) { try decoder.finish() }
    }

    @Test func theEnvelopeMayHaveOtherFieldsAroundTheList() throws {
        let list = ProtobufMessage { $0.message(1) { $0.text(2, "6") } }
        let body =
            WireEncoder.magic
            + ProtobufMessage {
                $0.message(9) { $0.text(1, "before") }
                $0.message(2, list)
                $0.integer(10, -1)
                $0.message(9) { $0.text(1, "after") }
            }.bytes
        for cut in body.indices {
            var decoder = ListDecoder(kind: .node)
            try decoder.append(Array(body[..<cut]))
            try decoder.append(Array(body[cut...]))
            #expect(try decoder.finish().resourceVersion == "6")
        }
    }

    @Test func framesMayArriveCutAnywhere() throws {
        let frames = [Golden.slice, Golden.node, Golden.status].map(\.bytes)
        let bytes = frames.flatMap(\.self)
        for cut in 0...bytes.count {
            var reader = WatchFrameReader()
            var found: [[UInt8]] = []
            for piece in [bytes[..<cut], bytes[cut...]] {
                reader.append(piece)
                while let frame = try reader.next() { found.append(frame) }
            }
            #expect(found == frames.map { Array($0.dropFirst(4)) }, "\(cut)")
            #expect(!reader.isWithinFrame)
        }
    }

    @Test func framesMayArriveByteByByte() throws {
        let bytes = Golden.slice.bytes + Golden.bookmark.bytes
        var reader = WatchFrameReader()
        var ends: [Int] = []
        for (index, byte) in bytes.enumerated() {
            reader.append(CollectionOfOne(byte))
            if try reader.next() != nil { ends.append(index + 1) }
            #expect(reader.isWithinFrame == !ends.contains(index + 1))
        }
        #expect(ends == [Golden.slice.bytes.count, bytes.count])
    }

    @Test func aFrameMayBeEmpty() throws {
        var reader = WatchFrameReader()
        reader.append([0, 0, 0, 0, 0, 0])
        #expect(try reader.next() == [])
        #expect(try reader.next() == nil)
        #expect(reader.isWithinFrame)
    }

    @Test(arguments: [([0, 0, 1, 1], 257), ([255, 255, 255, 255], 4_294_967_295)] as [([UInt8], Int)])
    func aFrameBeyondTheLimitIsAnErrorAtOnce(_ head: [UInt8], _ length: Int) throws {
        var reader = WatchFrameReader(limit: 256)
        reader.append(head)
        let error = try #require(throws: WireError.self) { try reader.next() }
        #expect(error.description == "a frame of a watch has \(length) bytes, more than 256")
        #expect(throws: WireError.self) { try reader.next() }
    }

    @Test func aFrameAtTheLimitIsRead() throws {
        var reader = WatchFrameReader(limit: 256)
        reader.append([0, 0, 1, 0] + [UInt8](repeating: 7, count: 256))
        #expect(try reader.next()?.count == 256)
    }
}
