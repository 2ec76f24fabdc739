import KubernetesModel
import KubernetesWire
import NetworkTypes
import Testing

/// What others encoded is read as they meant it.
@Suite struct GoldenTests {
    @Test func aPageOfServices() throws {
        let page = try ListDecoder.decode(Golden.services.bytes, kind: .service)
        #expect(page.resourceVersion == "4711")
        #expect(page.continueToken == "abc")
        #expect(page.remainingItemCount == 12)
        #expect(page.items.map(\.id.description) == ["Service shop/web", "Service shop/db"])
        #expect(page.items.map(\.resourceVersion) == ["4000", "17"])
        #expect(page.items.flatMap(\.findings).isEmpty)
        #expect(page.items.map(\.object) == [.service(try web()), .service(database)])
    }

    private var database: Service {
        var service = Service(key: ObjectKey(namespace: "shop", name: "db"))
        service.isHeadless = true
        return service
    }

    private func web() throws -> Service {
        var service = Service(key: ObjectKey(namespace: "shop", name: "web"))
        service.creationTimestamp = "2024-01-31T12:34:56Z"
        service.serviceProxyName = "other"
        service.annotations = ["fairlead.dev/external-traffic": "prefer-local"]
        service.type = .loadBalancer
        service.clusterIPs = [try address("10.96.0.10"), try address("fd00:10::a")]
        service.externalIPs = [try address("192.0.2.10")]
        service.loadBalancerIngress = [
            .init(address: try address("198.51.100.1")), .init(address: try address("2001:db8::1"), mode: .proxy),
        ]
        service.loadBalancerSourceRanges = [try #require(CIDR("203.0.113.0/24"))]
        service.externalTrafficPolicy = .local
        service.internalTrafficPolicy = .local
        service.sessionAffinity = .clientIP(timeoutSeconds: 600)
        service.healthCheckNodePort = 32000
        service.publishNotReadyAddresses = true
        service.trafficDistribution = "PreferClose"
        service.ports = [
            ServicePort(name: "http", port: 80, nodePort: 30080),
            ServicePort(name: "dns", transport: .udp, port: 53, nodePort: 30053),
        ]
        return service
    }

    @Test("what only advice reads is read on demand")
    func details() throws {
        let page = try ListDecoder.decode(Golden.services.bytes, kind: .service, details: true)
        var expected = try web()
        var details = ServiceDetails()
        details.labels = ["app": "web", "service.kubernetes.io/service-proxy-name": "other"]
        details.annotations = ["fairlead.dev/external-traffic": "prefer-local"]
        details.loadBalancerClass = "example.com/lb"
        details.ingressHostnames = ["lb.example.com"]
        expected.details = .read(details)
        #expect(page.items.first?.object == .service(expected))
    }

    @Test func anAddedSlice() throws {
        var slice = EndpointSlice(
            key: ObjectKey(namespace: "shop", name: "web-x7k2p"), serviceName: "web", addressFamily: .ipv6)
        slice.isHeadless = true
        slice.lastChangeTriggerTime = Timestamp.nanoseconds(Array("2024-01-31T12:34:56Z".utf8))
        slice.ports = [
            EndpointPort(name: "http", port: 8080), EndpointPort(name: "sctp", transport: .sctp, port: nil),
        ]
        var first = Endpoint(address: try address("fd00:10:1::5"), nodeName: "worker-with-a-long-name-1")
        first.zone = "eu-central-1a"
        first.hints = .init(zones: ["eu-central-1a", "eu-central-1b"], nodes: ["worker-with-a-long-name-1"])
        var second = Endpoint(address: try address("fd00:10:1::6"))
        (second.isReady, second.isServing, second.isTerminating) = (false, false, true)
        slice.endpoints = [first, second, Endpoint(address: try address("fd00:10:1::8"))]
        let expected = WireObject(
            id: ObjectID(kind: .endpointSlice, key: slice.key), resourceVersion: "4712", object: .endpointSlice(slice))
        #expect(try event(.slice, .endpointSlice) == .applied(expected))
    }

    @Test func aModifiedNode() throws {
        var node = Node(name: "worker-1")
        node.internalIPs = [try address("172.18.0.3"), try address("fd00:18::3")]
        node.externalIPs = [try address("192.0.2.3")]
        node.podCIDRs = [try #require(CIDR("10.128.1.0/24")), try #require(CIDR("fd00:20:1::/64"))]
        node.zone = "eu-central-1a"
        node.isBeingDeleted = true
        node.taints = ["ToBeDeletedByClusterAutoscaler"]
        let id = ObjectID(kind: .node, key: ObjectKey(name: "worker-1"))
        #expect(
            try event(.node, .node) == .applied(WireObject(id: id, resourceVersion: "99", object: .node(node))))
    }

    @Test func aDeletedServiceCIDR() throws {
        let id = ObjectID(kind: .serviceCIDR, key: ObjectKey(name: "kubernetes"))
        #expect(try event(.serviceCIDR, .serviceCIDR) == .deleted(id, resourceVersion: "8"))
    }

    @Test func theErrorThatEndsAWatch() throws {
        let status = APIStatus(
            code: 410, reason: "Expired", message: "too old resource version: 1 (4711)", retryAfterSeconds: 7)
        #expect(try event(.status, .node) == .failed(status))
        #expect(status.description == "410 Expired: too old resource version: 1 (4711)")
    }

    @Test func theBookmarkThatEndsTheInitialEvents() throws {
        #expect(try event(.bookmark, .service) == .bookmark(resourceVersion: "5000", endsInitialEvents: true))
    }

    private func event(_ golden: Golden, _ kind: ObjectID.Kind) throws -> WatchEvent {
        var reader = WatchFrameReader()
        reader.append(golden.bytes)
        let frame = try #require(try reader.next())
        #expect(!reader.isWithinFrame)
        return try decodeWatchEvent(frame, kind: kind)
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
}
