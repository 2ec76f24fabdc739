import KubernetesModel
import KubernetesWire
import NetworkTypes
import Testing
import WireTestKit

/// What protobuf lets an encoder do, and what the API says of absent fields.
@Suite struct FieldTests {
    @Test func unknownFieldsOfEveryTypeArePassedOver() throws {
        let number = (1 << 29) - 1
        func strange(_ message: inout ProtobufMessage) {
            message.integer(number, -1)
            message.eightBytes(number, .max)
            message.data(number, [255, 255, 255])
            message.data(number - 1, [])
            message.fourBytes(number, .max)
            message.data(900, [1, 2, 3, 4, 5, 128, 1])
        }
        let slice = try slice {
            strange(&$0)
            $0.message(2) {
                strange(&$0)
                $0.text(1, "10.0.0.1")
                $0.message(2) {
                    strange(&$0)
                    $0.boolean(1, false)
                }
                strange(&$0)
            }
            strange(&$0)
        }
        var expected = Endpoint(address: .v4(IPv4Address(rawValue: 0x0A00_0001)))
        expected.isReady = false
        #expect(slice.endpoints == [expected])
    }

    @Test func conditionsThatAreAbsentMeanReady() throws {
        let endpoint = try #require(try slice { $0.message(2) { $0.text(1, "10.0.0.1") } }.endpoints.first)
        #expect(endpoint == Endpoint(address: .v4(IPv4Address(rawValue: 0x0A00_0001))))
    }

    @Test func ofARepeatedSingleValueTheLastCounts() throws {
        let slice = try slice {
            $0.text(4, "IPv6")
            $0.message(2) {
                $0.text(1, "10.0.0.1")
                $0.text(6, "first")
                $0.text(6, "second")
            }
            $0.message(3) {
                $0.integer(3, 1)
                $0.integer(3, 2)
            }
            $0.text(4, "IPv4")
        }
        #expect(slice.endpoints.map(\.nodeName) == ["second"])
        #expect(slice.ports.map(\.port) == [2])
        #expect(slice.addressFamily == .ipv4)
    }

    @Test func messagesThatComeTwiceAreJoined() throws {
        let slice = try slice {
            $0.message(2) {
                $0.text(1, "10.0.0.1")
                $0.message(2) { $0.boolean(1, false) }
                $0.message(2) { $0.boolean(3, true) }
                $0.message(8) { $0.message(1) { $0.text(1, "a") } }
                $0.message(8) { $0.message(2) { $0.text(1, "b") } }
            }
            $0.message(1) { $0.map(11, ["kubernetes.io/service-name": "other"]) }
        }
        #expect(slice.key.name == "web-1")
        #expect(slice.serviceName == "other")
        let endpoint = try #require(slice.endpoints.first)
        #expect((endpoint.isReady, endpoint.isServing, endpoint.isTerminating) == (false, true, true))
        #expect(endpoint.hints == .init(zones: ["a"], nodes: ["b"]))
    }

    @Test func entriesOfMapsMayComeInAnyOrderAndLackParts() throws {
        let slice = try slice { slice in
            slice.message(1) {
                $0.message(11) { $0.text(2, "no key") }
                $0.message(11) { $0.text(1, "service.kubernetes.io/headless") }
                $0.message(11) {
                    $0.text(2, "reversed")
                    $0.integer(3, 7)
                    $0.text(1, "kubernetes.io/service-name")
                }
                $0.message(11) { _ in }
            }
        }
        #expect(slice.isHeadless)
        #expect(slice.serviceName == "reversed")
    }

    @Test(arguments: [
        (80, nil), (80 + 1 << 32, nil), (-1, "must be 1 to 65535, is -1"),
        (Int(Int32.min), "must be 1 to 65535, is -2147483648"), (.max, "must be 1 to 65535, is -1"),
        (65536, "must be 1 to 65535, is 65536"),
    ])
    func numbersOfAnySizeAreRead(_ number: Int, _ message: String?) throws {
        let item = try item { $0.message(3) { $0.integer(3, number) } }
        #expect(item.findings.first?.message == message)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 9, 10])
    func numbersMayBeLongerThanNeeded(_ length: Int) throws {
        let slice = try slice {
            $0.message(3) {
                $0.appendTag(3, wireType: 0)
                $0.bytes += [UInt8](repeating: 0x80, count: length - 1) + [length == 1 ? 7 : 0]
                if length > 1 { $0.bytes[$0.bytes.count - length] = 0x87 }
            }
        }
        #expect(slice.ports.map(\.port) == [7])
    }

    @Test func textThatIsNotUTF8IsRepaired() throws {
        let slice = try slice {
            $0.message(2) {
                $0.text(1, "10.0.0.1")
                $0.data(6, Array("node-".utf8) + [0xFF, 0xC0] + Array("-with-a-long-name".utf8))
                $0.data(7, [0xE2, 0x82])
            }
        }
        #expect(slice.endpoints.first?.nodeName == "node-\u{FFFD}\u{FFFD}-with-a-long-name")
        #expect(slice.endpoints.first?.zone == "\u{FFFD}")
    }

    @Test func onlyTheFirstAddressCounts() throws {
        let slice = try slice { $0.message(2) { $0.texts(1, ["10.0.0.1", "nonsense"]) } }
        #expect(slice.endpoints.map(\.address.description) == ["10.0.0.1"])
    }

    @Test func equalNamesComeOutEqualHoweverMany() throws {
        let names = (0..<10000).map { "a-node-with-a-long-name-\($0 % 5000)" }
        let slice = try slice { message in
            for (index, name) in names.enumerated() {
                message.message(2) {
                    $0.text(1, "10.0.\(index / 256).\(index % 256)")
                    $0.text(6, name)
                    $0.message(8) { $0.message(1) { $0.text(1, name) } }
                }
            }
        }
        #expect(slice.endpoints.map(\.nodeName) == names)
        #expect(slice.endpoints.map(\.hints?.zones) == names.map { [$0] })
    }

    @Test func theAnnotationOfSourceRangesCountsWhereTheFieldIsEmpty() throws {
        let annotation = ["service.beta.kubernetes.io/load-balancer-source-ranges": " 10.0.0.0/8 ,,fd00::/8"]
        for (field, expected) in [("", ["10.0.0.0/8", "fd00::/8"]), ("192.0.2.0/24", ["192.0.2.0/24"])] {
            let service = try service(metadata: { $0.map(12, annotation) }) {
                $0.message(1) { $0.integer(3, 80) }
                if !field.isEmpty { $0.text(9, field) }
            }
            #expect(service.loadBalancerSourceRanges.map(\.description) == expected)
        }
    }

    @Test func affinityWithoutTimeoutHasTheDefault() throws {
        let service = try service {
            $0.message(1) { $0.integer(3, 80) }
            $0.text(7, "ClientIP")
        }
        #expect(service.sessionAffinity == .clientIP(timeoutSeconds: 10800))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"), (253_402_300_800, ""), (-62_135_596_800, "0001-01-01T00:00:00Z"),
        (-62_135_596_801, ""), (.min, ""), (.max, ""),
    ])
    func timesAreWrittenAsTheAPIDoes(_ seconds: Int, _ text: String) throws {
        let service = try service(metadata: { $0.time(8, seconds) }) { $0.message(1) { $0.integer(3, 80) } }
        #expect(service.creationTimestamp == text)
    }

    @Test func podCIDRCountsWhereThereIsNoList() throws {
        let message = ProtobufMessage {
            $0.message(1) { $0.text(1, "worker") }
            $0.message(2) { $0.text(1, "10.1.0.0/24") }
        }
        let page = try ListDecoder.decode(WireEncoder.list(.node, [message], resourceVersion: ""), kind: .node)
        guard case .node(let node)? = page.items.first?.object else {
            Issue.record("not a node")
            return
        }
        #expect(node.podCIDRs.map(\.description) == ["10.1.0.0/24"])
    }

    private func item(_ fill: (inout ProtobufMessage) -> Void) throws -> WireObject {
        let message = ProtobufMessage {
            $0.message(1) {
                $0.text(1, "web-1")
                $0.text(3, "shop")
                $0.map(11, ["kubernetes.io/service-name": "web"])
            }
            $0.text(4, "IPv4")
            fill(&$0)
        }
        let body = WireEncoder.list(.endpointSlice, [message], resourceVersion: "1")
        return try #require(try ListDecoder.decode(body, kind: .endpointSlice).items.first)
    }

    private func slice(_ fill: (inout ProtobufMessage) -> Void) throws -> EndpointSlice {
        let item = try item(fill)
        guard case .endpointSlice(let slice)? = item.object else {
            throw WireError(item.findings.description)
        }
        return slice
    }

    private func service(
        metadata: (inout ProtobufMessage) -> Void = { _ in }, _ spec: (inout ProtobufMessage) -> Void
    ) throws -> Service {
        let message = ProtobufMessage {
            $0.message(1) {
                $0.text(1, "web")
                $0.text(3, "shop")
                metadata(&$0)
            }
            $0.message(2, spec)
        }
        let body = WireEncoder.list(.service, [message], resourceVersion: "1")
        let item = try #require(try ListDecoder.decode(body, kind: .service).items.first)
        guard case .service(let service)? = item.object else { throw WireError(item.findings.description) }
        return service
    }
}
