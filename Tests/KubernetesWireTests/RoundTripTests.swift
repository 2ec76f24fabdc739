import DataplaneTestKit
import KubernetesModel
import KubernetesWire
import Testing
import WireTestKit

/// What the test kit encodes is what comes out.
@Suite struct RoundTripTests {
    @Test(arguments: ObjectID.Kind.allCases, UInt64(0)..<25)
    func aListComesOutAsItWentIn(_ kind: ObjectID.Kind, _ seed: UInt64) throws {
        var random = RandomObjects(seed: seed)
        let objects = (0..<40).map { _ in random.object(kind) }
        let items = objects.enumerated().map { $0.element.protobuf(metadata("\($0.offset)")) }
        let body = WireEncoder.list(
            kind, items, resourceVersion: "77", continueToken: seed == 0 ? "" : "next", remainingItemCount: 1 << 40)
        let page = try ListDecoder.decode(body, kind: kind)
        #expect(page.items.map(\.object) == objects)
        #expect(page.items.map(\.id) == objects.map(\.id))
        #expect(page.items.map(\.resourceVersion) == objects.indices.map { "\($0)" })
        #expect(page.items.flatMap(\.findings).allSatisfy { $0.severity == .info })
        #expect(page.resourceVersion == "77")
        #expect(page.continueToken == (seed == 0 ? "" : "next"))
        #expect(page.remainingItemCount == 1 << 40)
    }

    @Test(
        "what only advice reads comes out on demand, and nothing else is different then", arguments: UInt64(200)..<210)
    func details(_ seed: UInt64) throws {
        var random = RandomObjects(seed: seed)
        for kind in [ObjectID.Kind.service, .node] {
            let objects = (0..<20).map { _ in random.object(kind) }
            let detailed = objects.map { random.addDetails(to: $0) }
            let items = detailed.map { $0.protobuf(EncodedMetadata(resourceVersion: "1")) }
            let body = WireEncoder.list(kind, items, resourceVersion: "77")
            #expect(try ListDecoder.decode(body, kind: kind, details: true).items.map(\.object) == detailed)
            #expect(try ListDecoder.decode(body, kind: kind).items.map(\.object) == objects)
        }
    }

    @Test(arguments: ObjectID.Kind.allCases, UInt64(100)..<110)
    func eventsComeOutAsTheyWentIn(_ kind: ObjectID.Kind, _ seed: UInt64) throws {
        var random = RandomObjects(seed: seed)
        var reader = WatchFrameReader()
        for number in 0..<20 {
            let object = random.object(kind)
            reader.append(WireEncoder.frame(.added, object, metadata("\(number)a")))
            reader.append(WireEncoder.frame(.modified, object, metadata("\(number)m")))
            reader.append(WireEncoder.frame(.deleted, object, metadata("\(number)d")))
            for version in ["\(number)a", "\(number)m"] {
                guard case .applied(let decoded) = try event(&reader, kind) else {
                    Issue.record("not applied")
                    return
                }
                #expect(decoded.object == object)
                #expect(decoded.resourceVersion == version)
            }
            #expect(try event(&reader, kind) == .deleted(object.id, resourceVersion: "\(number)d"))
        }
        #expect(try reader.next() == nil)
    }

    @Test func anEmptyListIsAList() throws {
        let page = try ListDecoder.decode(WireEncoder.list(.node, [], resourceVersion: "5"), kind: .node)
        #expect(page.items.isEmpty)
        #expect(page.resourceVersion == "5")
        #expect(page.remainingItemCount == nil)
    }

    @Test(arguments: [false, true])
    func bookmarksComeOutAsTheyWentIn(_ endsInitialEvents: Bool) throws {
        var reader = WatchFrameReader()
        reader.append(
            WireEncoder.bookmark(.endpointSlice, resourceVersion: "12", endsInitialEvents: endsInitialEvents))
        #expect(
            try event(&reader, .endpointSlice)
                == .bookmark(resourceVersion: "12", endsInitialEvents: endsInitialEvents))
    }

    @Test(arguments: [nil, 30])
    func errorsComeOutAsTheyWentIn(_ retryAfterSeconds: Int?) throws {
        let status = APIStatus(
            code: 429, reason: "TooManyRequests", message: "later", retryAfterSeconds: retryAfterSeconds)
        let body = WireEncoder.status(
            code: 429, reason: "TooManyRequests", message: "later", retryAfterSeconds: retryAfterSeconds)
        #expect(try APIStatus(body: body) == status)
        var reader = WatchFrameReader()
        reader.append(WireEncoder.frame("ERROR", body))
        #expect(try event(&reader, .service) == .failed(status))
    }

    private func metadata(_ resourceVersion: String) -> EncodedMetadata {
        var metadata = EncodedMetadata(resourceVersion: resourceVersion)
        metadata.uid = "0b6a4bb1-4a4d-4c3e-8a3e-5d8f5c1e7c11"
        metadata.labels = ["app": "web", "kubernetes.io/service-nam": "x"]
        metadata.annotations = ["example.com/note": "y"]
        metadata.hasManagedFields = true
        return metadata
    }

    private func event(_ reader: inout WatchFrameReader, _ kind: ObjectID.Kind) throws -> WatchEvent {
        try decodeWatchEvent(try #require(try reader.next()), kind: kind)
    }
}
