import FairleadTestKit
import NetworkTypes

private let outside = Expectation.outside
private let pods = Expectation.pods
private let everyone = Expectation.everyone
private let external = Target.external

/// What is a frontend, and what is not.
let frontendScenarios: [Scenario] = [
    Scenario(
        name: "several ports", endpoints: [.ready("local-1"), .ready("remote-1")],
        adjust: { objects, numbers in
            for transport in TransportProtocol.allCases {
                objects.service.ports.append(.init("\(transport)-b", transport, 443))
                objects.eachSlice { $0.ports.append(.init("\(transport)-b", transport, 8081)) }
            }
        },
        expectations: [
            .from(pods, to: [.clusterIP], .answered(["local-1:8080", "remote-1:8080"], sees: .client)),
            .from(pods, to: [.clusterIPPort(443)], .answered(["local-1:8081", "remote-1:8081"], sees: .client)),
            .from(
                outside, to: [.externalIPPort(443), .loadBalancerIPPort(443)],
                .answered(["local-1:8081", "remote-1:8081"], sees: .node)),
            .from(pods, to: [.clusterIPPort(81)], .rejected),
        ]),
    Scenario(
        name: "one port number, each protocol to a target of its own", endpoints: [.ready("local-1")],
        adjust: { objects, _ in
            objects.eachSlice { for index in $0.ports.indices { $0.ports[index].port = [8080, 8081, 8082][index] } }
        },
        expectations: [
            .from(["client"], to: Target.all, .answered(["local-1:8080"], sees: .node), transports: [.tcp]),
            .from(["client"], to: Target.all, .answered(["local-1:8081"], sees: .node), transports: [.udp]),
            .from(["client"], to: Target.all, .answered(["local-1:8082"], sees: .node), transports: [.sctp]),
        ]),
    Scenario(
        name: "node ports are on the node's own address only", endpoints: [.ready("remote-1")],
        expectations: [
            .from(["node1"], to: [.nodePortOnLoopback], .closed, transports: [.tcp, .udp]),
            .from(
                ["client", "local-caller", "remote-caller"], to: [.nodePortOnSecondAddress], .leftAlone,
                transports: [.tcp, .udp]),
            .from(["local-caller", "node1"], to: [.nodePortOfOtherNode], .leftAlone),
            .from(["client", "local-caller", "remote-caller"], to: [.nodePortBehindNode], .leftAlone),
        ]),
    Scenario(
        name: "external addresses on ports that the Service does not have", endpoints: [.ready("local-1")],
        adjust: { objects, _ in
            for index in objects.service.ports.indices { objects.service.ports[index].port = 443 }
        },
        expectations: [
            .from(["client", "local-caller"], to: [.loadBalancerIP], .leftAlone),
            .from(["client", "local-caller"], to: [.externalIP], .leftAlone),
            .from(everyone, to: [.clusterIP], .rejected),
            .from(outside, to: [.externalIPPort(443), .loadBalancerIPPort(443)], .answered(["local-1"], sees: .node)),
        ]),
    Scenario(
        name: "ingress with ipMode Proxy", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.service.loadBalancerMode = "Proxy" },
        expectations: [
            .from(["client", "local-caller", "node1"], to: [.loadBalancerIP], .leftAlone),
            .from(["client"], to: [.clusterIP, .nodePort, .externalIP], .answered(["local-1"], sees: .node)),
        ]),
    Scenario(
        name: "ingress with ipMode VIP", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.service.loadBalancerMode = "VIP" },
        expectations: [.from(["client"], to: Target.all, .answered(["local-1"], sees: .node))]),
    Scenario(
        name: "ingress with a hostname only", endpoints: [.ready("local-1")],
        adjust: { objects, _ in
            objects.service.loadBalancerIPs = []
            objects.service.loadBalancerHostname = "lb.example.com"
        },
        expectations: [
            .from(["client"], to: [.loadBalancerIP], .leftAlone),
            .from(["client"], to: [.clusterIP, .nodePort, .externalIP], .answered(["local-1"], sees: .node)),
        ]),
    Scenario(
        name: "an IPv4 Service with an IPv6 ingress and external IP", endpoints: [.ready("local-1")],
        adjust: { objects, _ in
            objects.service.clusterIPs.removeLast()
            objects.slices.removeAll { $0.family == .ipv6 }
        },
        expectations: [
            .from(["client", "local-caller"], to: [.loadBalancerIP, .externalIP], .leftAlone, families: [.ipv6]),
            .from(["client", "local-caller"], to: [.nodePort], .closed, families: [.ipv6]),
            .from(["client", "local-caller"], to: [.clusterIP], .dropped, families: [.ipv6]),
            .from(["client"], to: Target.all, .answered(["local-1"], sees: .node), families: [.ipv4]),
        ]),
    Scenario(
        name: "external IPs of a ClusterIP Service with external policy Local", externalPolicy: "Local",
        endpoints: [.ready("local-1"), .ready("remote-1")],
        adjust: { objects, _ in
            objects.service.type = "ClusterIP"
            objects.service.loadBalancerIPs = []
            for index in objects.service.ports.indices { objects.service.ports[index].nodePort = 0 }
        },
        expectations: [
            .from(outside, to: [.externalIP], .answered(["local-1"], sees: .client)),
            .from(pods, to: [.externalIP], .answered(["local-1", "remote-1"], sees: .client)),
            .from(["client"], to: [.nodePort], .closed), .from(["client"], to: [.loadBalancerIP], .leftAlone),
        ]),
    Scenario(
        name: "external IPs of a ClusterIP Service with external policy Local, endpoints elsewhere only",
        externalPolicy: "Local", endpoints: [.ready("remote-1")],
        adjust: { objects, _ in
            objects.service.type = "ClusterIP"
            objects.service.loadBalancerIPs = []
            for index in objects.service.ports.indices { objects.service.ports[index].nodePort = 0 }
        },
        expectations: [.from(outside, to: [.externalIP], .dropped)]),
    Scenario(
        name: "a NodePort Service without external addresses", endpoints: [.ready("local-1"), .ready("remote-1")],
        adjust: { objects, _ in
            objects.service.type = "NodePort"
            objects.service.loadBalancerIPs = []
            objects.service.externalIPs = []
        },
        expectations: [
            .from(outside, to: [.nodePort], .answered(["local-1", "remote-1"], sees: .node)),
            .from(outside, to: [.externalIP, .loadBalancerIP], .leftAlone),
        ]),
    Scenario(
        name: "one port without a name", endpoints: [.ready("local-1"), .ready("remote-1")],
        adjust: { objects, numbers in
            objects.service.ports = [ServiceManifest.Port("", .tcp, 80, nodePort: numbers.nodePort)]
            objects.eachSlice { $0.ports = [SliceManifest.Port("", .tcp, 8080)] }
        },
        expectations: [
            .from(
                outside, to: Target.all, .answered(["local-1", "remote-1"], sees: .node), transports: [.tcp])
        ]),
    Scenario(
        name: "a Service without a ClusterIP is ignored", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.service.clusterIPs = [] },
        expectations: [
            .from(["client", "local-caller"], to: [.externalIP, .loadBalancerIP], .leftAlone),
            .from(["client", "local-caller"], to: [.nodePort], .closed),
            .from(["client", "local-caller"], to: [.clusterIP], .dropped),
        ]),
    Scenario(
        name: "a headless Service is ignored", endpoints: [.ready("local-1")],
        adjust: { objects, _ in
            objects.service.type = "ClusterIP"
            objects.service.clusterIPs = ["None"]
            for index in objects.service.ports.indices { objects.service.ports[index].nodePort = 0 }
        },
        expectations: [
            .from(["client", "local-caller"], to: [.externalIP], .leftAlone),
            .from(["client", "local-caller"], to: [.clusterIP], .dropped),
        ]),
    Scenario(
        name: "an ExternalName Service is ignored", endpoints: [.ready("local-1")],
        adjust: { objects, _ in
            objects.service.type = "ExternalName"
            objects.service.clusterIPs = []
            objects.service.extra = ["externalName: db.example.com"]
            for index in objects.service.ports.indices { objects.service.ports[index].nodePort = 0 }
        },
        expectations: [.from(["client", "local-caller"], to: [.externalIP], .leftAlone)]),
    Scenario(
        name: "a Service of another proxy is ignored", endpoints: [.ready("local-1")],
        adjust: { objects, _ in objects.service.labels = ["service.kubernetes.io/service-proxy-name": "other"] },
        expectations: [
            .from(["client", "local-caller"], to: [.externalIP, .loadBalancerIP], .leftAlone),
            .from(["client", "local-caller"], to: [.nodePort], .closed),
        ]),
    Scenario(
        name: "two Services claim one frontend: the older one has it", endpoints: [.ready("local-1")],
        adjust: { objects, numbers in
            var rival = objects.service
            // Before the other one in the order of names, so that the name does not decide.
            rival.name = "a-rival-of-\(numbers.name)"
            rival.created = "2026-02-01T00:00:00Z"
            rival.clusterIPs = numbers.freeClusterIPs
            objects.services.append(rival)
            objects.slices += IPFamily.allCases.map { Scenario.slice(rival.name, $0, [.ready("remote-1")]) }
        },
        expectations: [
            .from(outside, to: Target.all, .answered(["local-1"], sees: .node)),
            .from(pods, to: [.freeClusterIP], .answered(["remote-1"], sees: .client)),
        ]),
    Scenario(
        name: "two Services of the same age claim one frontend: the first name has it", endpoints: [.ready("local-1")],
        adjust: { objects, numbers in
            var rival = objects.service
            rival.name = "z-rival-of-\(numbers.name)"
            rival.clusterIPs = numbers.freeClusterIPs
            objects.services.insert(rival, at: 0)
            objects.slices += IPFamily.allCases.map { Scenario.slice(rival.name, $0, [.ready("remote-1")]) }
        },
        expectations: [
            .from(outside, to: Target.all, .answered(["local-1"], sees: .node)),
            .from(pods, to: [.freeClusterIP], .answered(["remote-1"], sees: .client)),
        ]),
]
