import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import ServiceDataplane
import ServicePolicy
import Testing

@Suite("Packets under direct return")
struct DirectReturnWalkTests {
    private static func direct(_ service: inout Service) {
        service.annotations[Service.externalTrafficAnnotation] = Service.directReturn
    }

    private func endpoints() throws -> [Endpoint] {
        [try endpoint("10.128.1.5", on: "a"), try endpoint("10.128.2.5", on: "b")]
    }

    /// What becomes of a packet from each of some source ports.
    private func outcomes(
        _ cluster: Cluster, isContinuing: Bool = false, codePoint: UInt8 = 0, _ transport: TransportProtocol = .tcp
    ) throws -> [PacketOutcome] {
        let (situation, tables) = cluster.situation()
        var packet = try Question(from: "external", to: "10.250.0.1:80").packet(in: situation)
        let table = try #require(tables.first { $0.schema.family == .ipv4 })
        let interpreter = Interpreter(Ruleset(table), ownAddresses: situation.ownAddresses)
        packet.hasUnknownSourcePort = false
        packet.isContinuing = isContinuing
        packet.codePoint = codePoint
        packet.transport = transport
        return (40_000..<40_200).flatMap { port -> [PacketOutcome] in
            packet.sourcePort = UInt16(port)
            return interpreter.outcomes(of: packet)
        }
    }

    @Test("explain names the endpoints of both nodes with their shares, and who is handed on to")
    func explanation() throws {
        let cluster = Cluster((web(Self.direct), try endpoints()))
        for target in ["10.250.0.1:80", "10.251.0.1:80"] {
            let explanation = try cluster.ask("external", target)
            #expect(explanation.verdict == .reaches)
            let sum = explanation.reached.reduce(0) { $0 + $1.share }
            #expect(abs(sum - 1) < 1e-9 && explanation.reached.allSatisfy { abs($0.share - 0.5) < 0.025 })
            #expect(Set(explanation.reached.filter(\.isHandedOn).map(\.nodeName)) == ["b"])
            #expect(explanation.reached.allSatisfy { $0.masquerade == nil } && explanation.leftOut.isEmpty)
            #expect(explanation.lines.contains { $0.text.contains("a hands the packet on as it is, to b") })
        }
        for (source, target) in [("pod", "10.250.0.1:80"), ("node", "10.250.0.1:80"), ("external", "node:30080")] {
            let explanation = try cluster.ask(source, target)
            #expect(
                explanation.reached.count == 2
                    && explanation.reached.allSatisfy { $0.masquerade != nil && !$0.isHandedOn })
        }
    }

    @Test("a packet with a mark is never handed on: a new flow is served here, a segment only if its slot is here")
    func marks() throws {
        let cluster = Cluster((web(Self.direct), try endpoints()))
        let plain = try outcomes(cluster)
        #expect(plain.contains { !$0.handedOn.isEmpty } && plain.contains(where: \.reachesEndpoint))
        for isContinuing in [false, true] {
            let twofold = try outcomes(cluster, isContinuing: isContinuing, codePoint: HandOnMark.twofold)
            #expect(twofold.allSatisfy { $0.fate == .dropped })
            let alone = try outcomes(cluster, isContinuing: isContinuing, codePoint: HandOnMark.alone)
            #expect(alone.allSatisfy { $0.handedOn.isEmpty })
            #expect(alone.allSatisfy { $0.reachesEndpoint } == !isContinuing)
            #expect(alone.contains { $0.fate == .dropped } == isContinuing)
        }
        let elsewhere = Cluster((web(Self.direct), [try endpoint("10.128.2.5", on: "b")]))
        #expect(try outcomes(elsewhere, codePoint: HandOnMark.alone).allSatisfy { $0.fate == .dropped })
    }

    @Test("a segment in mid-connection goes to the endpoint that terminates as well, other packets do not")
    func copies() throws {
        var ending = try endpoint("10.128.2.6", on: "b", isReady: false)
        (ending.isTerminating, ending.isServing) = (true, true)
        let cluster = Cluster((web(Self.direct), try endpoints() + [ending]))
        let address = try #require(IPAddress("10.128.2.6"))
        let owner = try #require(IPAddress("10.128.2.5"))
        let segments = try outcomes(cluster, isContinuing: true).map(\.handedOn)
        // To both nodes, or to the one that terminates where the owner is here.
        #expect(segments.contains([address, owner]) && segments.contains([address]) && segments.contains([owner]))
        #expect(segments.allSatisfy { $0.count <= 2 })
        for transport in TransportProtocol.allCases {
            #expect(try outcomes(cluster, transport).allSatisfy { !$0.handedOn.contains(address) })
        }
    }

    @Test("under ClientIP affinity the source port does not matter")
    func affinity() throws {
        let cluster = Cluster(
            (
                web {
                    Self.direct(&$0)
                    $0.sessionAffinity = .clientIP(timeoutSeconds: 60)
                }, try endpoints()
            ))
        let fates = try outcomes(cluster).map(\.fate)
        #expect(Set(fates).count == 1)
        #expect(try cluster.ask("external", "10.250.0.1:80").reached.count == 1)
    }

    @Test("without a Service that asks for it no packet meets a rule of direct return")
    func absence() throws {
        let (_, tables) = Cluster((web(), try endpoints())).situation()
        for table in tables {
            #expect(table.schema.chains.allSatisfy { !$0.name.hasPrefix("direct") })
            #expect(table.schema.sets.allSatisfy { !$0.name.hasPrefix("direct") })
        }
    }
}
