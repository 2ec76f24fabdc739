import KubernetesModel
import NetworkTypes
import Testing

@Suite("What objects have in common is kept once")
struct SharedPartsTests {
    private static let texts = [
        "", "2026-11-22T10:20:30Z", "0000-00-00T00:00:00Z", "20261122102030", "20261122102030\u{0}", "\u{0}",
        "2026-11-22T10:20:30+", "2026-11-22t10:20:30Z", "2026-11-22T10:20:3Z", "3", "2026-11-22T10:20:30.5Z",
    ]

    @Test("A creation time is its text", arguments: texts)
    func text(text: String) { #expect(CreationTime(text).text == text) }

    @Test("Different texts are different times, in the order of the texts")
    func order() {
        for (text, other) in Self.texts.flatMap({ text in Self.texts.map { (text, $0) } }) {
            #expect((CreationTime(text) == CreationTime(other)) == (text == other))
            #expect((CreationTime(text) < CreationTime(other)) == (text < other))
        }
    }

    private static func fields(_ node: String?, isReady: Bool = true, zone: String? = nil) -> EndpointFields {
        var fields = EndpointFields(family: .ipv4, nodeName: node)
        (fields.isReady, fields.zone) = (isReady, zone)
        return fields
    }

    @Test("Endpoints of a pool share what they have in common, and nothing else", arguments: [1, 4096])
    func pool(capacity: Int) throws {
        let addresses = try ["10.0.0.1", "10.0.0.2", "fd00::1", "::ffff:0:1"].map { try #require(IPAddress($0)) }
        let all = [
            Self.fields("a"), Self.fields("b"), Self.fields("a", isReady: false), Self.fields(nil),
            Self.fields("a", zone: "z"),
        ]
        var pool = EndpointPool(capacity: capacity)
        for fields in all {
            for address in addresses {
                let endpoint = pool.endpoint(address, fields)
                #expect(endpoint.address == address)
                #expect(endpoint.nodeName == fields.nodeName && endpoint.zone == fields.zone)
                #expect(endpoint.isReady == fields.isReady && endpoint.isServing && !endpoint.isTerminating)
                #expect(EndpointPool.areShared(endpoint, pool.endpoint(address, fields)))
            }
            let (first, second) = (pool.endpoint(addresses[0], fields), pool.endpoint(addresses[1], fields))
            #expect(EndpointPool.areShared(first, second) && first != second)
        }
    }

    @Test("Endpoints are equal by their fields, whether these are shared or not")
    func equality() throws {
        var pool = EndpointPool()
        let address = try #require(IPAddress("10.0.0.1"))
        var endpoint = Endpoint(address: address, nodeName: "a")
        let shared = pool.endpoint(address, Self.fields("a"))
        #expect(
            endpoint == shared && endpoint.hashValue == shared.hashValue && !EndpointPool.areShared(endpoint, shared))
        endpoint.isTerminating = true
        endpoint.hints = Endpoint.Hints(zones: ["z"])
        #expect(
            endpoint != shared && endpoint.isTerminating && endpoint.hints?.zones == ["z"] && endpoint.nodeName == "a")
        // An IPv4 address and the IPv6 address of the same number.
        let other = Endpoint(address: .v6(IPv6Address(high: 0, low: 0x0A00_0001)), nodeName: "a")
        #expect(other != shared)
        var changed = shared
        changed.address = other.address
        #expect(changed == other && changed.address == other.address && shared.address == address)
    }

    @Test("Objects with equal ports are what they were")
    func ports() throws {
        var pool = PortPool()
        for number in 0..<40 {
            var service = Service(key: ObjectKey(namespace: "a", name: "s\(number)"))
            service.ports = (0..<number % 3).map { ServicePort(name: "p\($0)", port: UInt16(80 + number % 5)) }
            var slice = EndpointSlice(key: service.key, serviceName: service.key.name)
            slice.ports = service.ports.map { EndpointPort(name: $0.name, port: $0.port) }
            #expect(pool.sharing(.service(service)) == .service(service))
            #expect(pool.sharing(.endpointSlice(slice)) == .endpointSlice(slice))
        }
    }
}
