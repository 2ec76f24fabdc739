import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Telemetry
import Testing

/// What `DesiredState` knows of Services besides their elements, over changes and full passes.
@Suite struct LedgerTests {
    static let key = ObjectKey(namespace: "default", name: "web")

    static var state: DesiredState {
        DesiredState(
            options: DataplaneOptions(), settings: NodeSettings(nodeName: "here"),
            host: HostFacts(addresses: []))
    }

    static var objects: [ClusterChange] {
        var service = Service(key: key)
        service.clusterIPs = ["10.96.0.1", "fd00::1"].compactMap { IPAddress($0) }
        service.type = .loadBalancer
        service.externalTrafficPolicy = .local
        service.healthCheckNodePort = 30500
        service.ports = [ServicePort(port: 80, nodePort: 30080)]
        return [.applied(.service(service))] + [slice(on: "here")]
    }

    static func slice(on node: String) -> ClusterChange {
        var slice = EndpointSlice(key: ObjectKey(namespace: "default", name: "web-1"), serviceName: "web")
        slice.ports = [EndpointPort(port: 8080)]
        slice.endpoints = [IPAddress("10.0.0.1")].compactMap { $0 }.map { Endpoint(address: $0, nodeName: node) }
        return .applied(.endpointSlice(slice))
    }

    static func plan(_ state: inout DesiredState) {
        state.plan(from: [:], existingSets: []) { _ throws(Never) in }
    }

    @Test("health checks follow each change")
    func changes() {
        var state = Self.state
        _ = state.apply(Self.objects)
        #expect(state.ledger.healthChecks[30500]?.localEndpoints == [.ipv4: 1, .ipv6: 0])
        _ = state.apply([Self.slice(on: "there")])
        #expect(state.ledger.healthChecks[30500]?.localEndpoints == [.ipv4: 0, .ipv6: 0])
        #expect(state.ledger.localGaps.values.reduce(0, +) == 1)
        _ = state.apply([.deleted(ObjectID(kind: .service, key: Self.key))])
        #expect(state.ledger.healthChecks.isEmpty)
        #expect(state.ledger.localGaps.values.reduce(0, +) == 0)
    }

    @Test("a full pass forgets the health checks of Services that went before it")
    func fullPass() {
        var state = Self.state
        _ = state.load(Self.objects)
        Self.plan(&state)
        #expect(state.ledger.healthChecks[30500]?.key == Self.key)
        _ = state.load([.deleted(ObjectID(kind: .service, key: Self.key))])
        Self.plan(&state)
        #expect(state.ledger.healthChecks.isEmpty)
    }

    @Test("a Service that loses its health check port is among the findings")
    func findings() {
        var state = Self.state
        _ = state.apply(Self.objects)
        #expect(!state.findings.contains { $0.code == "contested-health-check-port" })
        var other = Service(key: ObjectKey(namespace: "default", name: "zz"))
        if case .applied(.service(let first)) = Self.objects[0] { other = first }
        other.key = ObjectKey(namespace: "default", name: "zz")
        other.clusterIPs = [IPAddress("10.96.0.2")].compactMap { $0 }
        other.ports[0].nodePort = 30081
        _ = state.apply([.applied(.service(other))])
        #expect(
            state.findings.filter { $0.code == "contested-health-check-port" }.map(\.subject?.key) == [other.key])
    }

    @Test("a health check port that is a TCP node port is a finding that goes with its cause, through full passes too")
    func healthCheckAtNodePort() {
        func other(_ transport: TransportProtocol, _ nodePort: UInt16) -> ClusterChange {
            var service = Service(key: ObjectKey(namespace: "default", name: "other"))
            service.clusterIPs = [IPAddress("10.96.0.2")].compactMap { $0 }
            service.type = .nodePort
            service.ports = [ServicePort(transport: transport, port: 80, nodePort: nodePort)]
            return .applied(.service(service))
        }
        func subjects(_ findings: [Finding]) -> [ObjectKey?] {
            findings.filter { $0.code == "contested-health-check-port" }.map(\.subject?.key)
        }
        func count(_ state: DesiredState) -> Int {
            state.findingCounts.filter { $0.key.code == "contested-health-check-port" }.values.reduce(0, +)
        }
        var state = Self.state
        func news() -> [Finding] { state.takeNewFindings() }
        _ = state.apply(Self.objects + [other(.udp, 30500)])
        #expect(subjects(news()).isEmpty)
        _ = state.apply([other(.tcp, 30500)])
        #expect(subjects(news()) == [Self.key])
        #expect(subjects(state.findings) == [Self.key])
        #expect(count(state) == 1)
        Self.plan(&state)
        #expect(subjects(news()).isEmpty, "it was told")
        #expect(subjects(state.findings) == [Self.key])
        _ = state.apply([other(.tcp, 30501)])
        _ = state.takeNewFindings()
        #expect(subjects(state.findings).isEmpty)
        #expect(count(state) == 0)
        _ = state.apply([other(.tcp, 30500)])
        _ = state.load([.deleted(ObjectID(kind: .service, key: ObjectKey(namespace: "default", name: "other")))])
        Self.plan(&state)
        #expect(subjects(state.findings).isEmpty)
    }

    @Test("findings are taken once and counted while they hold")
    func counts() {
        var state = Self.state
        _ = state.apply(Self.objects + [Self.slice(on: "there")])
        #expect(state.takeNewFindings().map(\.code).contains("local-without-endpoint"))
        #expect(state.takeNewFindings().isEmpty)
        let held = state.findingCounts.filter { $0.key.code == "local-without-endpoint" }.map(\.value)
        #expect(held == [1])
        _ = state.apply([Self.slice(on: "here")])
        _ = state.takeNewFindings()
        #expect(!state.findingCounts.contains { $0.key.code == "local-without-endpoint" && $0.value != 0 })
    }
}
