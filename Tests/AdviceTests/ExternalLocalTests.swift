import Advice
import FairleadTestKit
import KubernetesModel
import NetworkTypes
import Testing

/// externalTrafficPolicy Local: each rule where it speaks, and the sound neighbour where it does not.
@Suite struct ExternalLocalTests {
    private static let excluded = [
        Scene.node("node4", labels: ["node.kubernetes.io/exclude-from-external-load-balancers": ""])
    ]
    private static let aws = "service.beta.kubernetes.io/aws-load-balancer-"

    static let cases = [
        Case("a Service that nothing is wrong with") { _ in },
        Case("a load balancer that asks for endpoints") { $0.balance(.local) },
        Case("node ports: nobody asks", [.externalLocalGap, .nodePortWithoutHealthCheck]) {
            $0.balance(.local)
            $0.service.type = .nodePort
            $0.service.healthCheckNodePort = 0
        },
        Case("node ports with a pod on every node", [.nodePortWithoutHealthCheck]) {
            $0.balance(.local)
            $0.service.type = .nodePort
            $0.service.healthCheckNodePort = 0
            $0.pods = ["node1", "node2", "node3"]
        },
        Case("node ports under Cluster") {
            $0.balance()
            $0.service.type = .nodePort
        },
        Case("an external IP", [.externalLocalGap]) {
            $0.service.externalIPs = ["10.250.0.9"]
            $0.service.externalTrafficPolicy = .local
        },
        Case("a policy without anything external means nothing") { $0.service.externalTrafficPolicy = .local },
        Case("a load balancer that others configure", [.externalLocalGap]) {
            $0.balance(.local)
            $0.options.loadBalancer = .external
        },
        Case("the same where every node that it uses has a pod") {
            $0.balance(.local)
            $0.options.loadBalancer = .external
            $0.pods = ["node1", "node2", "node3"]
            $0.nodes += Self.excluded
        },
        Case("no health check port", [.externalLocalGap, .nodePortWithoutHealthCheck]) {
            $0.balance(.local)
            $0.service.healthCheckNodePort = 0
        },
        Case("MetalLB needs no health check port") {
            $0.balance(.local) { $0.annotations["metallb.io/address-pool"] = "a" }
            $0.service.healthCheckNodePort = 0
        },
        Case("AWS: the health check goes elsewhere", [.externalLocalGap]) {
            $0.balance(.local) { $0.annotations[Self.aws + "healthcheck-port"] = "traffic-port" }
        },
        Case("AWS: over TCP", [.externalLocalGap]) {
            $0.balance(.local) { $0.annotations[Self.aws + "healthcheck-protocol"] = "TCP" }
        },
        Case("AWS: the health check port by its number, over HTTP") {
            $0.balance(.local) {
                $0.annotations[Self.aws + "healthcheck-port"] = "32000"
                $0.annotations[Self.aws + "healthcheck-protocol"] = "http"
            }
        },
        Case("AWS: only labelled nodes are targets", [.externalLocalUnreachable]) {
            $0.balance(.local) { $0.annotations[Self.aws + "target-node-labels"] = "edge=true" }
        },
        Case("AWS: the labelled nodes have the pods") {
            $0.balance(.local) { $0.annotations[Self.aws + "target-node-labels"] = "edge=true" }
            $0.nodes = (1...2).map { Scene.node("node\($0)", labels: ["edge": "true"]) } + [Scene.node("node3")]
        },
        Case("all pods where no traffic comes", [.externalLocalUnreachable]) {
            $0.balance(.local)
            $0.pods = ["node4", "node5"]
            $0.nodes += Self.excluded
            var leaving = Scene.node("node5")
            leaving.isBeingDeleted = true
            $0.nodes.append(leaving)
        },
        Case("one pod where traffic comes is enough to get through") {
            $0.balance(.local)
            $0.pods = ["node1", "node4"]
            $0.nodes += Self.excluded
        },
        Case("Cluster does not mind where pods are") {
            $0.balance()
            $0.pods = ["node4", "node1"]
            $0.nodes += Self.excluded
        },
        Case("two pods here, one there", [.externalLocalUneven]) {
            $0.balance(.local)
            $0.pods = ["node1", "node1", "node2"]
        },
        Case("four here, three there is below the threshold") {
            $0.balance(.local)
            $0.pods = ["node1", "node1", "node1", "node1", "node2", "node2", "node2"]
        },
        Case("three here, two there is at the threshold", [.externalLocalUneven]) {
            $0.balance(.local)
            $0.pods = ["node1", "node1", "node1", "node2", "node2"]
        },
        Case("pods on nodes that get no traffic do not count") {
            $0.balance(.local)
            $0.pods = ["node1", "node2", "node4", "node4"]
            $0.nodes += Self.excluded
        },
        Case("uneven under Cluster is even") {
            $0.balance()
            $0.pods = ["node1", "node1", "node2"]
        },
        Case("Google's load balancer weighs nodes if it is asked to") {
            $0.nodes = Scene.cloud("gce")
            $0.balance(.local) { $0.annotations["networking.gke.io/weighted-load-balancing"] = "pods-per-node" }
            $0.pods = ["node1", "node1", "node2"]
        },
        Case("nodes of Karpenter", [.externalLocalAutoscaled]) {
            $0.nodes = Scene.cloud("aws", labels: ["karpenter.sh/nodepool": "default"])
            $0.balance(.local)
        },
        Case("nodes of a cloud that stay") {
            $0.nodes = Scene.cloud("aws")
            $0.balance(.local)
        },
        Case("nodes of a cloud that stay, says who should know") {
            $0.nodes = Scene.cloud("aws", labels: ["karpenter.sh/nodepool": "default"])
            $0.balance(.local)
            $0.options.environment = .cloud
        },
        Case("nodes that come and go, says who should know", [.externalLocalAutoscaled]) {
            $0.balance(.local)
            $0.options.environment = .autoscaledCloud
        },
        Case("the autoscaler's taint is a sign, too", [.externalLocalAutoscaled]) {
            $0.nodes = Scene.cloud("azure")
            $0.nodes[2].taints = ["DeletionCandidateOfClusterAutoscaler"]
            $0.balance(.local)
        },
        Case("spot nodes under Cluster") {
            $0.nodes = Scene.cloud("azure", labels: ["kubernetes.azure.com/scalesetpriority": "spot"])
            $0.balance()
        },
    ]

    @Test(arguments: cases)
    func findsWhatIsWrongAndNothingElse(_ example: Case) {
        #expect(Set(example.advice.map(\.code)) == example.expected)
    }

    @Test("each pod of a node with n pods, of N nodes, gets 1/(N n)")
    func shares() throws {
        var scene = Scene()
        scene.balance(.local)
        scene.pods = ["node1", "node1", "node1", "node1", "node2", "node2", "node3"]
        let finding = try #require(scene.advice.first { $0.code == .externalLocalUneven })
        #expect(finding.evidence.first?.value == 4)
        let shares = finding.evidence.filter { $0.name == "podShare" }
        let expected: [Double?] = [1.0 / 3, 1.0 / 6, 1.0 / 12]
        #expect(shares.map(\.value) == expected)
        #expect(shares.last?.text.hasPrefix("node1: 4 pods with 8.3 %") == true)
        #expect(finding.nodes == ["node1", "node2", "node3"])
    }

    @Test("the gap names the nodes")
    func gap() throws {
        var scene = Scene()
        scene.balance(.local)
        scene.options.loadBalancer = .external
        scene.pods = ["node2"]
        let finding = try #require(scene.advice.first { $0.code == .externalLocalGap })
        #expect(finding.nodes == ["node1", "node3"])
        #expect(finding.evidence.first?.value == 2)
        #expect(finding.evidence.contains { $0.text.contains("said with --load-balancer") })
    }

    @Test("ports with other endpoints are looked at by themselves")
    func ports() throws {
        var scene = Scene()
        scene.balance(.local)
        scene.options.loadBalancer = .external
        scene.service.ports.append(ServicePort(name: "admin", port: 81, nodePort: 30081))
        scene.pods = ["node1", "node2", "node3"]
        var cluster = ClusterState()
        _ = cluster.apply(scene.objects.map { .applied($0) })
        var slice = try #require(cluster.slices(of: Scene.key).first)
        slice.ports.removeLast()
        var other = slice
        other.key.name = "web-2"
        other.ports = [EndpointPort(name: "admin", port: 9090)]
        other.endpoints.removeLast()
        _ = cluster.apply([.applied(.endpointSlice(slice)), .applied(.endpointSlice(other))])
        let findings = Advisor(cluster, options: scene.options).findings(of: [Scene.key])
        #expect(findings.map(\.code) == [.externalLocalGap])
        #expect(findings.first?.summary.contains("(port admin (81/tcp))") == true)
        #expect(findings.first?.nodes == ["node3"])
    }

    @Test("who needs the client's address is only told of nodes that come and go")
    func needed() {
        for (port, severity) in [(25, Finding.Severity.info), (80, .warning)] {
            var scene = Scene()
            scene.nodes = Scene.cloud("aws", labels: ["karpenter.sh/nodepool": "default"])
            scene.balance(.local)
            scene.service.ports[0].port = UInt16(port)
            #expect(scene.advice.map(\.severity) == [severity])
        }
    }
}
