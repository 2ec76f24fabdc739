import Advice
import FairleadTestKit
import KubernetesModel
import NetworkTypes
import Testing

/// The other rules, each where it speaks, and the sound neighbour where it does not.
@Suite struct OtherRuleTests {
    private static let aws = "service.beta.kubernetes.io/aws-load-balancer-"

    static let balancers = [
        Case("an NLB with IP targets under Local", [.podTargetsWithLocal]) {
            $0.balance(.local) { $0.annotations[Self.aws + "type"] = "nlb-ip" }
        },
        Case("an NLB with IP targets under Cluster") { $0.balance { $0.annotations[Self.aws + "type"] = "nlb-ip" } },
        Case("EKS Auto Mode has pods as targets", [.podTargetsWithLocal]) {
            $0.balance(.local) { $0.loadBalancerClass = "eks.amazonaws.com/nlb" }
        },
        Case("a Google network endpoint group under Local", [.podTargetsWithLocal]) {
            $0.balance(.local) { $0.annotations["cloud.google.com/neg"] = #"{"ingress":true}"# }
            $0.service.type = .nodePort
            $0.service.healthCheckNodePort = 0
        },
        Case("a passthrough load balancer of GKE has nodes as its targets") {
            $0.nodes = Scene.cloud("gce")
            $0.balance(.local) { $0.annotations["cloud.google.com/neg"] = #"{"ingress":true}"# }
        },
        Case("an NLB to nodes without node ports", [.loadBalancerWithoutNodePort]) {
            $0.balance {
                $0.loadBalancerClass = "service.k8s.aws/nlb"
                $0.allocatesNodePorts = false
            }
            $0.service.ports[0].nodePort = 0
        },
        Case("node ports that the API server has yet to allocate") {
            $0.balance { $0.loadBalancerClass = "service.k8s.aws/nlb" }
            $0.service.ports[0].nodePort = 0
        },
        Case("a node port that was chosen by hand") {
            $0.balance {
                $0.loadBalancerClass = "service.k8s.aws/nlb"
                $0.allocatesNodePorts = false
            }
        },
        Case("MetalLB needs no node ports") {
            $0.balance {
                $0.loadBalancerClass = "metallb.universe.tf/metallb"
                $0.allocatesNodePorts = false
            }
            $0.service.ports[0].nodePort = 0
        },
        Case("Azure's probes ask node ports under Cluster", [.loadBalancerWithoutNodePort]) {
            $0.nodes = Scene.cloud("azure")
            $0.balance { $0.allocatesNodePorts = false }
            $0.service.ports[0].nodePort = 0
        },
        Case("Azure's probes ask the health check port under Local") {
            $0.nodes = Scene.cloud("azure")
            $0.balance(.local) { $0.allocatesNodePorts = false }
            $0.service.ports[0].nodePort = 0
        },
        Case("ranges that an NLB with IP targets never sees a client for", [.sourceRangesIgnored]) {
            $0.nodes = Scene.cloud("aws")
            $0.balance { $0.annotations[Self.aws + "type"] = "nlb-ip" }
            $0.restrict("192.0.2.0/24")
        },
        Case("the same with clients' addresses preserved") {
            $0.nodes = Scene.cloud("aws")
            $0.balance {
                $0.annotations[Self.aws + "type"] = "nlb-ip"
                $0.annotations[Self.aws + "target-group-attributes"] = "x=y, preserve_client_ip.enabled=true"
            }
            $0.restrict("192.0.2.0/24")
        },
        Case("the same for UDP, of which the address is always preserved") {
            $0.nodes = Scene.cloud("aws")
            $0.balance { $0.annotations[Self.aws + "type"] = "nlb-ip" }
            $0.restrict("192.0.2.0/24")
            $0.service.ports[0].transport = .udp
        },
    ]

    static let sources = [
        Case("an ingress controller on premises under Cluster", [.clusterHidesSource]) {
            $0.balance { $0.labels["app.kubernetes.io/name"] = "traefik" }
        },
        Case("a RADIUS server on node ports", [.clusterHidesSource]) {
            $0.balance()
            $0.service.type = .nodePort
            $0.service.ports[0].port = 1812
        },
        Case("the same without anything external") { $0.service.ports[0].port = 1812 },
        Case("an ingress controller under Local") { $0.balance(.local) { $0.labels["app"] = "traefik" } },
        Case("with prefer-local, nodes with a pod keep the source") {
            $0.balance { $0.labels["app"] = "traefik" }
            $0.service.annotations["fairlead.dev/external-traffic"] = "prefer-local"
        },
        Case("with direct-return, pods see the client from every node", [.directReturnAsymmetric]) {
            $0.balance { $0.labels["app"] = "traefik" }
            $0.service.annotations["fairlead.dev/external-traffic"] = "direct-return"
        },
        Case("an ingress controller in a cloud, which has other ways") {
            $0.nodes = Scene.cloud("aws")
            $0.balance { $0.labels["app"] = "traefik" }
        },
        Case("ranges under Cluster", [.sourceRangesUnderCluster, .sourceRangesOpenNodePort]) {
            $0.balance()
            $0.restrict("192.0.2.0/24")
        },
        Case("ranges under Cluster in a cloud, which keeps node ports closed", [.sourceRangesUnderCluster]) {
            $0.nodes = Scene.cloud("azure")
            $0.balance()
            $0.restrict("192.0.2.0/24")
        },
        Case("ranges under Local without node ports") {
            $0.balance(.local) { $0.allocatesNodePorts = false }
            $0.service.ports[0].nodePort = 0
            $0.restrict("192.0.2.0/24")
        },
        Case("ranges that everybody is in") {
            $0.balance()
            $0.restrict("0.0.0.0/0")
        },
        Case("ranges of the other family", [.sourceRangesOtherFamily]) {
            $0.balance(.local)
            $0.service.ports[0].nodePort = 0
            $0.restrict("2001:db8::/32")
        },
        Case("affinity under Cluster", [.affinityUnderCluster]) {
            $0.balance()
            $0.service.sessionAffinity = .clientIP(timeoutSeconds: 60)
        },
        Case("affinity inside of the cluster") { $0.service.sessionAffinity = .clientIP(timeoutSeconds: 60) },
        Case("affinity under Local") {
            $0.balance(.local)
            $0.service.sessionAffinity = .clientIP(timeoutSeconds: 60)
        },
        Case("affinity with one node that gets traffic") {
            $0.balance()
            $0.service.sessionAffinity = .clientIP(timeoutSeconds: 60)
            for index in 1...2 { $0.nodes[index].taints = ["ToBeDeletedByClusterAutoscaler"] }
        },
    ]

    private static func hint(_ zones: [String]) -> @Sendable (Int, inout Endpoint) -> Void {
        { index, endpoint in
            endpoint.zone = zones[index]
            endpoint.hints = .init(zones: [zones[index]])
        }
    }

    static let zones = [
        Case("as many endpoints as nodes in each zone") {
            $0.nodes = Scene.zones("a", "a", "b")
            $0.service.trafficDistribution = "PreferSameZone"
            $0.pods = ["node1", "node2", "node3"]
            $0.adjust = Self.hint(["a", "a", "b"])
        },
        Case("one endpoint for half of the nodes", [.zoneUneven]) {
            $0.nodes = Scene.zones("a", "a", "b", "b")
            $0.service.trafficDistribution = "PreferSameZone"
            $0.pods = ["node1", "node2", "node3"]
            $0.adjust = Self.hint(["a", "a", "b"])
        },
        Case("the same without closeness") {
            $0.nodes = Scene.zones("a", "a", "b", "b")
            $0.pods = ["node1", "node2", "node3"]
        },
        Case("a zone without an endpoint", [.zoneWithoutEndpoint]) {
            $0.nodes = Scene.zones("a", "b", "c")
            $0.service.trafficDistribution = "PreferClose"
            $0.adjust = Self.hint(["a", "b"])
        },
        Case("a zone whose only node takes no pods") {
            $0.nodes = Scene.zones("a", "b", "c")
            $0.nodes[2].taints = ["node-role.kubernetes.io/control-plane"]
            $0.service.trafficDistribution = "PreferClose"
            $0.adjust = Self.hint(["a", "b"])
        },
        Case("hints are missing", [.hintsIgnored]) {
            $0.nodes = Scene.zones("a", "b")
            $0.service.trafficDistribution = "PreferSameZone"
        },
        Case("one hint is missing", [.hintsIgnored]) {
            $0.nodes = Scene.zones("a", "b")
            $0.adjust = { index, endpoint in if index == 0 { endpoint.hints = .init(zones: ["a"]) } }
        },
        Case("hints do not matter in one zone") {
            $0.nodes = Scene.zones("a", "a")
            $0.service.trafficDistribution = "PreferSameZone"
        },
    ]

    static let endpoints = [
        Case("no endpoint", [.noEndpoint]) { $0.pods = [] },
        Case("no endpoint, and silence asked for", [.noEndpoint]) {
            $0.pods = []
            $0.service.annotations[Service.noEndpointsAnnotation] = "drop"
        },
        Case("endpoints that are not ready", [.noEndpoint]) { $0.adjust = { $1.isReady = false } },
        Case("endpoints that terminate and serve still answer") {
            $0.adjust = { ($1.isReady, $1.isTerminating) = (false, true) }
        },
        Case("one pod", [.singleEndpoint]) { $0.pods = ["node2"] },
        Case("one pod in a cluster of one node") {
            $0.pods = ["node1"]
            $0.nodes = [Scene.node("node1")]
        },
        Case("pods on one node", [.singleNode]) { $0.pods = ["node2", "node2"] },
        Case("pods on the only node that takes any") {
            $0.pods = ["node1", "node1"]
            for index in 1...2 { $0.nodes[index].taints = ["node-role.kubernetes.io/control-plane"] }
        },
        Case("pods in one zone", [.singleZone]) { $0.nodes = Scene.zones("a", "a", "b") },
        Case("pods in two zones") { $0.nodes = Scene.zones("a", "b", "b") },
        Case("internal Local where others have pods", [.internalLocalGap]) {
            $0.service.internalTrafficPolicy = .local
            $0.others = [(Scene.service("other", "10.96.0.2"), ["node3", "node1"])]
        },
        Case("internal Local where a pod that terminates still serves") {
            $0.service.internalTrafficPolicy = .local
            $0.pods = ["node1", "node2", "node3"]
            $0.adjust = { index, endpoint in
                if index == 2 { (endpoint.isReady, endpoint.isTerminating) = (false, true) }
            }
            $0.others = [(Scene.service("other", "10.96.0.2"), ["node3", "node1"])]
        },
        Case("internal Local where nobody else has pods") { $0.service.internalTrafficPolicy = .local },
        Case("internal Cluster where others have pods") {
            $0.others = [(Scene.service("other", "10.96.0.2"), ["node3", "node1"])]
        },
        Case("an older Service has the external IP", [.contestedFrontend]) {
            $0.service.externalIPs = ["10.250.0.9"]
            var other = Scene.service("other", "10.96.0.2")
            other.externalIPs = $0.service.externalIPs
            other.creationTimestamp = "2025-01-01T00:00:00Z"
            $0.others = [(other, ["node1"])]
        },
        Case("a younger Service does not have it") {
            $0.service.externalIPs = ["10.250.0.9"]
            var other = Scene.service("other", "10.96.0.2")
            other.externalIPs = $0.service.externalIPs
            other.creationTimestamp = "2027-01-01T00:00:00Z"
            $0.others = [(other, ["node1"])]
        },
        Case("another port of the same address is nobody's") {
            $0.service.externalIPs = ["10.250.0.9"]
            var other = Scene.service("another", "10.96.0.2")
            other.externalIPs = $0.service.externalIPs
            other.ports[0].port = 81
            $0.others = [(other, ["node1"])]
        },
        Case("one node port for two Services", [.contestedFrontend]) {
            $0.balance()
            $0.service.type = .nodePort
            var other = Scene.service("another", "10.96.0.2")
            other.type = .nodePort
            other.ports[0].nodePort = 30080
            $0.others = [(other, ["node1"])]
        },
    ]

    @Test(arguments: balancers + sources + zones + endpoints)
    func findsWhatIsWrongAndNothingElse(_ example: Case) {
        #expect(Set(example.advice.map(\.code)) == example.expected)
    }

    @Test("what is reached from outside matters more")
    func severity() {
        var scene = Scene()
        scene.pods = ["node1"]
        #expect(scene.advice.map(\.severity) == [.info])
        scene.balance()
        #expect(scene.advice.map(\.severity) == [.warning])
    }

    @Test("shares between zones are those of the pools that nodes use")
    func zoneShares() throws {
        let example = try #require(Self.zones.first { $0.expected == [.zoneUneven] })
        let finding = try #require(example.advice.first)
        #expect(finding.evidence.first?.value == 2)
        #expect(finding.evidence.first?.text.hasPrefix("50 % against 25 %") == true)
    }

    @Test("a pod of two families is one caller")
    func callers() throws {
        var scene = Scene()
        scene.service.internalTrafficPolicy = .local
        scene.others = [(Scene.service("other", "10.96.0.2"), ["node3"])]
        var cluster = ClusterState()
        _ = cluster.apply(scene.objects.map { .applied($0) })
        var slice = EndpointSlice(
            key: ObjectKey(namespace: "demo", name: "other-6"), serviceName: "other", addressFamily: .ipv6)
        slice.endpoints = [Endpoint(address: "fd00::1", nodeName: "node3")]
        _ = cluster.apply([.applied(.endpointSlice(slice))])
        let finding = try #require(Advisor(cluster).findings(of: [Scene.key]).first)
        #expect(finding.code == .internalLocalGap && finding.evidence.map(\.value) == [1])
    }
}
