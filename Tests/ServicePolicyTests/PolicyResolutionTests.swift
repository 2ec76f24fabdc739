import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite("How a Service is served")
struct PolicyResolutionTests {
    static let endpointsOfBoth = Scenario.families.map { family in
        Scenario.slice(family, name: "web-\(family)", [.make(family, 1, on: "here"), .make(family, 2, on: "there")])
    }

    private func resolution(_ service: Service, slices: [EndpointSlice] = endpointsOfBoth) -> PolicyResolution {
        resolve(service, slices: slices, node: Scenario.node)
    }

    private func frontends(_ service: Service, _ family: IPFamily) -> [Frontend] {
        resolution(service).service?.ports.first { $0.family == family }?.frontends ?? []
    }

    private func external(_ family: IPFamily, _ number: Int, _ kind: Frontend.Kind) -> Frontend {
        Frontend(kind: kind, address: Scenario.address(family, number), port: 80)
    }

    @Test("Headless, ExternalName, another proxy's and unaddressed Services are ignored")
    func exclusions() {
        let service = Scenario.service(.ipv4)
        func exclusion(_ change: (inout Service) -> Void) -> PolicyResolution.Exclusion? {
            var changed = service
            change(&changed)
            #expect((resolution(changed).service == nil) == (resolution(changed).exclusion != nil))
            return resolution(changed).exclusion
        }
        #expect(exclusion { _ in } == nil)
        #expect(exclusion { $0.isHeadless = true } == .headless)
        #expect(exclusion { $0.type = .externalName } == .externalName)
        #expect(exclusion { $0.serviceProxyName = "cilium" } == .otherProxy("cilium"))
        #expect(exclusion { $0.serviceProxyName = "" } == .otherProxy(""))
        #expect(exclusion { $0.clusterIPs = [] } == .noClusterIP)
    }

    @Test("The annotation fairlead.dev/skip leaves a Service alone if it is true, and says so")
    func skip() {
        var service = Scenario.service(.ipv4)
        for (value, exclusion, codes) in [
            ("true", PolicyResolution.Exclusion.skipped, ["skipped"]), ("false", nil, []),
            ("True", nil, ["skip-without-effect"]), ("", nil, ["skip-without-effect"]),
        ] {
            service.annotations[Service.skipAnnotation] = value
            let resolution = resolution(service)
            #expect(resolution.exclusion == exclusion, "\(value)")
            #expect((resolution.service == nil) == (exclusion != nil), "\(value)")
            #expect(resolution.findings.map(\.code) == codes, "\(value)")
        }
    }

    @Test("The annotation fairlead.dev/no-endpoints has three values, and any other is reported")
    func noEndpoints() {
        var service = Scenario.service(.ipv4)
        for (value, action, word) in [
            (nil, Service.NoEndpointAction.reject, "rejected"), ("reject", .reject, "rejected"),
            ("drop", .drop, "dropped"), ("pass", .pass, "left to routes"), ("Drop", .reject, "rejected"),
        ] as [(String?, Service.NoEndpointAction, String)] {
            service.annotations[Service.noEndpointsAnnotation] = value
            let resolution = resolve(service, slices: [], node: Scenario.node)
            #expect(resolution.service?.ports.map(\.noEndpointAction) == [action])
            let texts = resolution.findings.filter { $0.code == "no-endpoints" }.map(\.message)
            #expect(texts.count == 1 && texts.allSatisfy { $0.contains(word) }, "\(texts)")
            let isOdd = resolution.findings.contains { $0.code == "no-endpoints-without-effect" }
            #expect(isOdd == (value == "Drop"))
        }
    }

    @Test("Annotations about flows say which endpoints those may go on to, and odd values are reported")
    func flowTargets() {
        var service = Scenario.service(.ipv4)
        var node = Scenario.node
        func targets(_ transport: TransportProtocol) -> [Int?] {
            service.ports[0].transport = transport
            let result = resolve(service, slices: [], node: node)
            return result.service?.ports.map(\.flowTargets?.count) ?? []
        }
        #expect(targets(.tcp) == [nil] && targets(.udp) == [nil])
        node.resetsGoneEndpoints = true
        #expect(targets(.tcp) == [0] && targets(.udp) == [nil] && targets(.sctp) == [nil])
        service.annotations[Service.resetAnnotation] = "false"
        #expect(targets(.tcp) == [nil])
        node.resetsGoneEndpoints = false
        service.annotations = [Service.resetAnnotation: "true", Service.datagramAnnotation: "move"]
        #expect(targets(.tcp) == [0] && targets(.udp) == [0] && targets(.sctp) == [nil])
        service.annotations = [Service.resetAnnotation: "yes", Service.datagramAnnotation: "Move"]
        #expect(targets(.tcp) == [nil] && targets(.udp) == [nil])
        let codes = Set(resolve(service, slices: [], node: node).findings.map(\.code))
        #expect(codes.isSuperset(of: ["reset-without-effect", "udp-on-termination-without-effect"]))
    }

    @Test("Ports stand IPv4 before IPv6, each family in the order of the Service")
    func portOrder() {
        var service = Scenario.service(.ipv6, .ipv4)
        service.ports = [ServicePort(name: "b", port: 443), ServicePort(name: "a", port: 80)]
        let ports = resolution(service).service?.ports ?? []
        #expect(ports.map(\.family) == [.ipv4, .ipv4, .ipv6, .ipv6])
        #expect(ports.map(\.name) == ["b", "a", "b", "a"])
    }

    @Test("Each family has its own endpoints")
    func familiesApart() {
        let ports = resolution(Scenario.service(.ipv4, .ipv6)).service?.ports ?? []
        #expect(ports.map(\.clusterPool) == Scenario.families.map { Scenario.backends($0, [1, 2]) })
        #expect(ports.map(\.localPool) == Scenario.families.map { Scenario.backends($0, [1]) })
        #expect(ports.map(\.usable) == Scenario.families.map { Scenario.backends($0, [1, 2]) })
        #expect(ports.map(\.hairpinAddresses) == Scenario.families.map { [Scenario.address($0, 1)] })
    }

    @Test(
        "Where external Local acts, endpoints of other nodes may come here and be led to themselves",
        arguments: Scenario.families)
    func hairpinsOfOtherNodes(family: IPFamily) {
        func addresses(_ change: (inout Service) -> Void) -> [IPAddress]? {
            var service = Scenario.service(family)
            service.type = .nodePort
            service.ports[0].nodePort = 30080
            change(&service)
            return resolution(service).service?.ports.first?.hairpinAddresses
        }
        let (here, all) = ([Scenario.address(family, 1)], [1, 2].map { Scenario.address(family, $0) })
        #expect(addresses { _ in } == here)
        #expect(addresses { $0.internalTrafficPolicy = .local } == here)
        #expect(addresses { $0.externalTrafficPolicy = .local } == all)
        #expect(addresses { $0.annotations = [Service.externalTrafficAnnotation: Service.preferLocal] } == all)
        // Without an external frontend nobody comes from elsewhere.
        #expect(addresses { ($0.type, $0.externalTrafficPolicy) = (.clusterIP, .local) } == here)
    }

    @Test("A node port acts on the types NodePort and LoadBalancer only", arguments: Scenario.families)
    func nodePorts(family: IPFamily) {
        var service = Scenario.service(family)
        let clusterIP = external(family, 100, .clusterIP)
        let nodePort = Frontend(kind: .nodePort, address: nil, port: 30080)
        #expect(frontends(service, family) == [clusterIP])
        service.type = .nodePort
        #expect(frontends(service, family) == [clusterIP, nodePort])
        service.type = .loadBalancer
        #expect(frontends(service, family) == [clusterIP, nodePort])
        service.ports[0].nodePort = 0
        #expect(frontends(service, family) == [clusterIP])
    }

    @Test("External IPs act on every type, in the families of the cluster IPs", arguments: Scenario.families)
    func externalIPs(family: IPFamily) {
        let other: IPFamily = family == .ipv4 ? .ipv6 : .ipv4
        for type in [Service.ServiceType.clusterIP, .nodePort, .loadBalancer] {
            var service = Scenario.service(family)
            service.type = type
            service.ports[0].nodePort = 0
            service.externalIPs = [
                Scenario.address(family, 202), Scenario.address(other, 203), Scenario.address(family, 201),
            ]
            #expect(
                frontends(service, family) == [
                    external(family, 100, .clusterIP), external(family, 201, .externalIP),
                    external(family, 202, .externalIP),
                ])
            #expect(frontends(service, other) == [])
            let findings = resolution(service).findings
            #expect(findings.map(\.code) == ["external-ip-without-effect"])
            #expect(findings.map(\.field) == ["spec.externalIPs[1]"])
        }
    }

    @Test(
        "A node that serves no external IPs says so once for a Service, and serves the rest",
        arguments: Scenario.families)
    func unservedExternalIPs(family: IPFamily) {
        var service = Scenario.service(family)
        service.type = .loadBalancer
        service.ports[0].nodePort = 0
        service.externalIPs = [201, 202].map { Scenario.address(family, $0) }
        service.loadBalancerIngress = [.init(address: Scenario.address(family, 202))]
        var node = Scenario.node
        node.servesExternalIPs = false
        let resolution = resolve(service, slices: Self.endpointsOfBoth, node: node)
        #expect(
            resolution.service?.ports.first?.frontends == [
                external(family, 100, .clusterIP), external(family, 202, .loadBalancerIP),
            ])
        #expect(resolution.findings.map(\.code) == ["external-ips-not-served"])
        #expect(resolution.findings.first?.message.hasPrefix("\(Scenario.address(family, 201)), ") == true)
        service.externalIPs = []
        #expect(resolve(service, slices: Self.endpointsOfBoth, node: node).findings == [])
    }

    @Test("Load balancer addresses act with mode VIP, on type LoadBalancer", arguments: Scenario.families)
    func loadBalancerIPs(family: IPFamily) {
        let other: IPFamily = family == .ipv4 ? .ipv6 : .ipv4
        var service = Scenario.service(family)
        service.type = .loadBalancer
        service.ports[0].nodePort = 0
        service.loadBalancerIngress = [
            .init(address: Scenario.address(family, 201)), .init(address: Scenario.address(family, 202), mode: .proxy),
            .init(address: Scenario.address(other, 203)), .init(address: Scenario.address(other, 204), mode: .proxy),
        ]
        #expect(
            frontends(service, family)
                == [external(family, 100, .clusterIP), external(family, 201, .loadBalancerIP)])
        #expect(resolution(service).findings.map(\.field) == ["status.loadBalancer.ingress[2].ip"])
        service.type = .nodePort
        #expect(frontends(service, family) == [external(family, 100, .clusterIP)])
        #expect(Set(resolution(service).findings.map(\.code)) == ["load-balancer-ip-without-effect"])
    }

    @Test(
        "An address that is external IP and load balancer IP is one load balancer frontend",
        arguments: Scenario.families)
    func frontendOnce(family: IPFamily) {
        var service = Scenario.service(family)
        service.type = .loadBalancer
        service.ports[0].nodePort = 0
        service.externalIPs = [201, 201, 202, 100].map { Scenario.address(family, $0) }
        service.loadBalancerIngress = [.init(address: Scenario.address(family, 201))]
        #expect(
            frontends(service, family) == [
                external(family, 100, .clusterIP), external(family, 201, .loadBalancerIP),
                external(family, 202, .externalIP),
            ])
    }

    @Test("Addresses that nobody can be reached at are left out")
    func unusableAddresses() {
        var service = Scenario.service(.ipv4)
        service.type = .loadBalancer
        service.ports[0].nodePort = 0
        service.externalIPs = ["127.0.0.1", "0.0.0.0", "224.0.0.1", "::1"].compactMap { IPAddress($0) }
        service.loadBalancerIngress = [.init(address: .v4(IPv4Address(rawValue: 0x7F00_0001)))]
        #expect(frontends(service, .ipv4) == [external(.ipv4, 100, .clusterIP)])
        #expect(resolution(service).findings.map(\.code) == Array(repeating: "unusable-address", count: 5))
        service.clusterIPs = service.externalIPs
        #expect(resolution(service).exclusion == .noClusterIP)
    }

    @Test("Ports that clash with one before them cost only themselves")
    func badPorts() {
        var service = Scenario.service(.ipv4)
        service.type = .nodePort
        service.ports = [
            ServicePort(name: "a", port: 80, nodePort: 30080), ServicePort(name: "b", port: 80),
            ServicePort(name: "a", port: 81), ServicePort(name: "a", transport: .udp, port: 80, nodePort: 30080),
            ServicePort(name: "zero", port: 0), ServicePort(name: "c", port: 82, nodePort: 30080),
        ]
        let result = resolve(service, slices: [], node: Scenario.node)
        #expect(result.service?.ports.map(\.name) == ["a", "a", "c"])
        #expect(result.service?.ports.map(\.frontends.count) == [2, 2, 1])
        #expect(
            result.findings.filter { $0.severity > .info }.map(\.code)
                == ["duplicate-port", "duplicate-port", "invalid-port", "duplicate-node-port"])
    }

    @Test("Only the first cluster IP of a family counts")
    func extraClusterIP() {
        var service = Scenario.service(.ipv4)
        service.clusterIPs.append(Scenario.address(.ipv4, 101))
        #expect(frontends(service, .ipv4) == [external(.ipv4, 100, .clusterIP)])
        #expect(resolution(service).findings.map(\.code) == ["cluster-ip-without-effect"])
    }
}
