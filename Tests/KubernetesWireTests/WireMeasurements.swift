import Glibc
import KubernetesModel
import KubernetesWire
import NetworkTypes
import Testing
import WireTestKit

/// What a first list costs in processor time, for docs/performance.md. Runs with `FAIRLEAD_MEASURE=1` only.
@Suite(.serialized, .enabled(if: getenv("FAIRLEAD_MEASURE") != nil, "measurements run on demand"))
struct WireMeasurements {
    @Test("10,000 objects", arguments: [ObjectID.Kind.service, .endpointSlice], [nil, 16 << 10, 4 << 10])
    func measure(_ kind: ObjectID.Kind, _ pieces: Int?) throws {
        let body = Self.body(kind)
        var times: [Double] = []
        for _ in 0..<7 {
            var decoder = ListDecoder(kind: kind)
            let start = clock()
            try body.withUnsafeBytes { body in
                for start in stride(from: 0, to: body.count, by: pieces ?? body.count) {
                    let end = min(start + (pieces ?? body.count), body.count)
                    try decoder.append(UnsafeRawBufferPointer(rebasing: body[start..<end]))
                }
            }
            let page = try decoder.finish()
            times.append(Double(clock() - start) * 1000 / Double(CLOCKS_PER_SEC))
            #expect(page.items.count == 10000)
        }
        times.sort()
        let size = pieces.map { "pieces of \($0) bytes" } ?? "whole"
        print("\(kind), \(body.count) bytes, \(size): \(times[3]) ms (\(times[0]) to \(times[6]))")
    }

    private static func body(_ kind: ObjectID.Kind) -> [UInt8] {
        var metadata = EncodedMetadata(resourceVersion: "123456")
        metadata.uid = "6f1c2b7e-3d0a-4c55-9e1f-0123456789ab"
        metadata.labels = ["app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop"]
        metadata.hasManagedFields = true
        let items = (0..<10000).map { number in
            (kind == .service ? ClusterObject.service(service(number)) : .endpointSlice(slice(number)))
                .protobuf(metadata)
        }
        return WireEncoder.list(kind, items, resourceVersion: "123456")
    }

    private static func key(_ number: Int) -> ObjectKey {
        ObjectKey(namespace: "team-\(number % 50)", name: "service-\(number)")
    }

    private static func service(_ number: Int) -> Service {
        var service = Service(key: key(number))
        service.creationTimestamp = "2024-01-31T12:34:56Z"
        service.clusterIPs = [.v4(IPv4Address(rawValue: 0x0A60_0000 + UInt32(number)))]
        service.ports = [ServicePort(name: "http", port: 80)]
        return service
    }

    private static func slice(_ number: Int) -> EndpointSlice {
        var slice = EndpointSlice(key: key(number), serviceName: "service-\(number)")
        slice.ports = [EndpointPort(name: "http", port: 8080)]
        slice.endpoints = (0..<10).map { index in
            let pod = number * 10 + index
            let zone = "eu-central-1" + ["a", "b", "c"][pod % 3]
            var endpoint = Endpoint(
                address: .v4(IPv4Address(rawValue: 0x0A80_0000 + UInt32(pod))),
                nodeName: "ip-10-0-0-\(pod * 37 % 1000).eu-central-1.compute.internal")
            endpoint.zone = zone
            endpoint.hints = .init(zones: [zone])
            return endpoint
        }
        return slice
    }
}
