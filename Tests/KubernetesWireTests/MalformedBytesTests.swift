import DataplaneTestKit
import FuzzKit
import KubernetesModel
import KubernetesWire
import Testing
import WireTestKit

/// Bytes that no server sends give an error and nothing else: no trap, no hang, no half of a list.
@Suite struct MalformedBytesTests {
    @Test(arguments: ObjectID.Kind.allCases)
    func aListThatIsCutShortIsAnError(_ kind: ObjectID.Kind) throws {
        var random = RandomObjects(seed: 3)
        let items = (0..<3).map { _ in random.object(kind).protobuf() }
        let body = WireEncoder.list(kind, items, resourceVersion: "1")
        // What follows the object in the envelope may be missing: its two empty texts are two bytes each.
        let end = body.count - 4
        for length in [0..<end, end + 1..<end + 2, end + 3..<end + 4].joined() {
            #expect(throws: WireError.self, "\(length) of \(body.count)") {
                try ListDecoder.decode(Array(body[..<length]), kind: kind)
            }
        }
        for length in [end, end + 2, body.count] {
            #expect(try ListDecoder.decode(Array(body[..<length]), kind: kind).items.count == 3)
        }
    }

    @Test func anItemBeyondTheEndOfItsListIsAnErrorAtOnce() throws {
        var list = ProtobufMessage()
        list.bytes = [0x12, 100, 1, 2, 3]
        var body = WireEncoder.body(list, apiVersion: "v1", kind: "NodeList")
        body += [UInt8](repeating: 0, count: 200)
        var decoder = ListDecoder(kind: .node)
        let error = try #require(throws: WireError.self) { try decoder.append(body) }
        #expect(error.description == "the bytes end within a message")
    }

    @Test(arguments: [Golden.slice.bytes, Golden.node.bytes, Golden.serviceCIDR.bytes, Golden.status.bytes])
    func anEventThatIsCutShortIsNotMistaken(_ frame: [UInt8]) throws {
        let kind: ObjectID.Kind =
            frame == Golden.slice.bytes ? .endpointSlice : frame == Golden.node.bytes ? .node : .serviceCIDR
        let content = Array(frame.dropFirst(4))
        _ = try decodeWatchEvent(content, kind: kind)
        for length in content.indices {
            #expect(throws: WireError.self, "\(length)") { try decodeWatchEvent(Array(content[..<length]), kind: kind) }
        }
    }

    /// A message with one wrong thing in it, where a field of an EndpointSlice belongs.
    private static let wrong: [(String, [UInt8])] = [
        ("a field of number 0", [0x02, 0x00]),
        ("a field of number 536870912", [0x80, 0x80, 0x80, 0x80, 0x10, 0x00]),
        ("wire type 3", [0x13, 0x14]),
        ("wire type 4", [0x14]),
        ("wire type 6", [0x26, 0x00]),
        ("wire type 7", [0x27, 0x00]),
        ("field 1 of a message has the wire type 0", [0x08, 0x01]),
        ("field 4 of a message has the wire type 5", [0x25, 1, 2, 3, 4]),
        ("field 2 of a message has the wire type 1", [0x11, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("longer than ten bytes", [0x78] + [UInt8](repeating: 0x80, count: 10) + [1]),
        ("longer than ten bytes", [UInt8](repeating: 0xFF, count: 11)),
        ("the bytes end within", [0x78, 0x80]),
        ("the bytes end within", [0x12, 0x7F, 1, 2]),
        ("the bytes end within", [0x12] + [UInt8](repeating: 0xFF, count: 9) + [1]),
        ("the bytes end within", [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        ("the bytes end within", [0x79, 1, 2, 3, 4, 5, 6, 7]),
        ("the bytes end within", [0x7D, 1, 2, 3]),
        ("field 3 of a message has the wire type 2", [0x1A, 3, 0x1A, 1, 80]),
        ("field 1 of a message has the wire type 2", [0x12, 4, 0x12, 2, 0x0A, 0]),
    ]

    @Test(arguments: wrong)
    func aFieldThatIsWrongIsAnError(_ message: String, _ bytes: [UInt8]) throws {
        var item = ProtobufMessage()
        item.bytes = bytes
        let body = WireEncoder.list(.endpointSlice, [item], resourceVersion: "1")
        let error = try #require(throws: WireError.self) { try ListDecoder.decode(body, kind: .endpointSlice) }
        #expect(error.description.contains(message), "\(error)")
    }

    @Test func messagesWithinMessagesWithoutEndArePassedOver() throws {
        var nested = ProtobufMessage()
        for _ in 0..<2000 { nested = ProtobufMessage { $0.message(15, nested) } }
        let item = ProtobufMessage {
            $0.message(1) {
                $0.text(1, "web-1")
                $0.text(3, "shop")
            }
            $0.message(15, nested)
            $0.text(4, "IPv4")
        }
        let body = WireEncoder.list(.endpointSlice, [item], resourceVersion: "1")
        #expect(try ListDecoder.decode(body, kind: .endpointSlice).items.first?.object != nil)
    }

    @Test(arguments: [
        ("found v1 Status", WireEncoder.status(code: 403, reason: "Forbidden")),
        ("found v1 NodeList", WireEncoder.list(.node, [], resourceVersion: "1")),
        (
            "found discovery.k8s.io/v1beta1 EndpointSliceList",
            WireEncoder.body(
                ProtobufMessage { $0.message(1) { _ in } }, apiVersion: "discovery.k8s.io/v1beta1",
                kind: "EndpointSliceList")
        ),
        ("do not begin as Kubernetes' protobuf", Array(#"{"kind":"Status"}"#.utf8)),
        ("do not begin as Kubernetes' protobuf", Array("k8s\u{1}".utf8)),
        ("the bytes end within", []), ("the bytes end within", Array("k8s\u{0}".utf8)),
        ("content encoding \"gzip\"", WireEncoder.magic + ProtobufMessage { $0.text(3, "gzip") }.bytes),
    ])
    func anotherAnswerThanAListIsAnError(_ message: String, _ body: [UInt8]) throws {
        let error = try #require(throws: WireError.self) { try ListDecoder.decode(body, kind: .endpointSlice) }
        #expect(error.description.contains(message), "\(error)")
    }

    @Test(arguments: [
        ("has no object", ProtobufMessage { $0.text(1, "ADDED") }.bytes),
        ("has no object", []),
        ("has the type \"PATCHED\"", Array(WireEncoder.frame("PATCHED", nodeBody).dropFirst(4))),
        ("has the type \"\"", ProtobufMessage { $0.message(2) { $0.data(1, nodeBody) } }.bytes),
        (
            "expected v1 Node, found v1 Status",
            Array(WireEncoder.frame("ADDED", WireEncoder.status(code: 1, reason: "x")).dropFirst(4))
        ),
        ("expected v1 Status, found v1 Node", Array(WireEncoder.frame("ERROR", nodeBody).dropFirst(4))),
        ("do not begin as", Array(WireEncoder.frame("ADDED", [1, 2]).dropFirst(4))),
        ("no object in the envelope", Array(WireEncoder.frame("ADDED", WireEncoder.magic).dropFirst(4))),
    ])
    func anEventThatIsNoneIsAnError(_ message: String, _ frame: [UInt8]) throws {
        let error = try #require(throws: WireError.self) { try decodeWatchEvent(frame, kind: .node) }
        #expect(error.description.contains(message), "\(error)")
    }

    private static let nodeBody = WireEncoder.body(.node(Node(name: "worker")))

    /// 60,000 bodies and 60,000 events with a few bytes changed, removed or added, and each decoded to the end.
    @Test(arguments: ObjectID.Kind.allCases, UInt64(0)..<6)
    func bytesThatWereTamperedWithDoNoHarm(_ kind: ObjectID.Kind, _ seed: UInt64) throws {
        var objects = RandomObjects(seed: seed)
        var random = SeededGenerator(seed: seed + 1000 + Fuzz.seed)
        var metadata = EncodedMetadata()
        metadata.hasManagedFields = true
        let items = (0..<2).map { _ in objects.object(kind) }
        let body = WireEncoder.list(kind, items.map { $0.protobuf(metadata) }, resourceVersion: "1")
        let frame = Array(WireEncoder.frame(.added, items[0], metadata).dropFirst(4))
        var (outcomes, intact) = ([0, 0], 0)
        let count = Fuzz.rounds(2500)
        for _ in 0..<count {
            let list = try? ListDecoder.decode(Self.tampered(body, &random), kind: kind)
            let event = try? decodeWatchEvent(Self.tampered(frame, &random), kind: kind)
            outcomes[0] += list == nil ? 0 : 1
            outcomes[1] += event == nil ? 0 : 1
            if list?.items.map(\.object) == items { intact += 1 }
        }
        // Both happen: most bytes are text, and some are lengths.
        #expect(outcomes.allSatisfy { (count / 50...count - count / 50).contains($0) })
        #expect(intact < count - count / 50)
        Fuzz.report("protobuf, \(kind.rawValue), seed \(seed)", 2 * count)
    }

    private static func tampered(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes[place] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            case 3: bytes.remove(at: place)
            case 4: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: place)
            default:
                bytes.replaceSubrange(place..<min(place + 10, bytes.count), with: [UInt8](repeating: 0xFF, count: 10))
            }
        }
        return bytes
    }
}
