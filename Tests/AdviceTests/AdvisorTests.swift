import Advice
import FairleadTestKit
import KubernetesModel
import Testing

/// What holds for all rules: what is silenced, what is left out, and that order does not matter.
@Suite struct AdvisorTests {
    @Test("the annotation and the option silence codes, and only those", arguments: [true, false])
    func silence(_ byAnnotation: Bool) {
        var scene = Scene()
        scene.balance(.local)
        scene.service.type = .nodePort
        scene.service.healthCheckNodePort = 0
        #expect(scene.advice.map(\.code) == [.externalLocalGap, .nodePortWithoutHealthCheck])
        if byAnnotation {
            scene.service.annotations[Service.ignoreAnnotation] = "external-local-gap, nonsense"
            #expect(scene.advisor.unknownCodes.map(\.code) == ["nonsense"])
        } else {
            scene.options.ignored = [.externalLocalGap]
        }
        #expect(scene.advice.map(\.code) == [.nodePortWithoutHealthCheck])
    }

    @Test("Services that nobody serves here are not looked at")
    func exclusions() {
        for change: (inout Service) -> Void in [
            {
                $0.isHeadless = true; $0.clusterIPs = []
            }, { $0.type = .externalName }, { $0.serviceProxyName = "x" },
            { $0.clusterIPs = [] },
        ] {
            var scene = Scene()
            scene.pods = []
            #expect(scene.advice.map(\.code) == [.noEndpoint] && scene.advisor.services == [Scene.key])
            change(&scene.service)
            #expect(scene.advice.isEmpty && scene.advisor.services.isEmpty)
        }
    }

    @Test("external IPs that the nodes do not serve are said to be so, and nothing else is said of them")
    func unservedExternalIPs() {
        var scene = Scene()
        scene.service.externalIPs = ["10.250.0.9"]
        scene.service.externalTrafficPolicy = .local
        #expect(scene.advice.map(\.code) == [.externalLocalGap])
        scene.options.servesExternalIPs = false
        #expect(scene.advice.map(\.code) == [.externalIPsNotServed])
        #expect(scene.advice.first?.summary.contains("10.250.0.9") == true)
        scene.service.annotations[Service.ignoreAnnotation] = "external-ips-not-served"
        #expect(scene.advice.isEmpty)
    }

    @Test("what becomes of packets without an endpoint is said as the annotation has it")
    func withoutEndpoint() {
        var scene = Scene()
        scene.balance(.local)
        scene.service.externalIPs = ["10.250.0.9"]
        func summary(_ action: String, _ pods: [String]) -> String {
            scene.pods = pods
            scene.service.annotations[Service.noEndpointsAnnotation] = action
            return scene.advice.map(\.summary).joined(separator: "\n")
        }
        #expect(summary("reject", []).contains("is rejected"))
        #expect(summary("drop", []).contains("is dropped (annotation"))
        #expect(summary("pass", []).contains("external ones are left to routes"))
        #expect(summary("reject", ["node1", "node2"]).contains("comes there from outside is dropped"))
        #expect(summary("pass", ["node1", "node2"]).contains("comes there from outside is left to routes"))
    }

    @Test("an object that is invalid is advice about its Service")
    func invalid() {
        var scene = Scene()
        let slice = ObjectID(kind: .endpointSlice, key: ObjectKey(namespace: "demo", name: "web-9"))
        var finding = Finding(.error, code: "invalid-object", subject: slice, field: "ports", message: "is wrong")
        finding.heldService = Scene.key
        scene.findings = [finding, Finding(.warning, code: "duplicate-object", subject: slice, message: "no matter")]
        #expect(scene.advice.map(\.code) == [.invalidObject])
        #expect(scene.advice.map(\.object) == [slice] && scene.advice.map(\.summary) == ["ports: is wrong"])
        #expect(scene.advisor.findings(of: []).isEmpty && scene.advisor.findings().count == 1)
        scene.options.ignored = [.invalidObject]
        #expect(scene.advice.isEmpty)
    }

    @Test("the order of objects does not matter")
    func order() {
        var scene = Scene()
        scene.nodes = Scene.zones("a", "a", "b", "b")
        scene.balance(.local)
        scene.pods = ["node1", "node1", "node2", "node3"]
        scene.service.trafficDistribution = "PreferSameZone"
        scene.service.internalTrafficPolicy = .local
        scene.others = (2...4).map { (Scene.service("other\($0)", "10.96.0.\($0)"), ["node4", "node\($0)"]) }
        let expected = scene.advisor.findings()
        #expect(expected.count >= 4)
        for _ in 0..<20 {
            var cluster = ClusterState()
            _ = cluster.apply(scene.objects.shuffled().map { .applied($0) })
            #expect(Advisor(cluster).findings() == expected)
        }
    }

    @Test("without details and without Nodes nothing is guessed")
    func bare() {
        var scene = Scene()
        scene.balance(.local)
        scene.service.details = .unread
        scene.nodes = []
        #expect(scene.advice.isEmpty)
        #expect(scene.advisor.environment == "unknown environment: there is no Node to tell")
    }

    @Test(
        "where the cluster runs is told by the Nodes",
        arguments: [
            ("aws", [:], "cloud"), ("gce", ["cloud.google.com/gke-spot": "true"], "autoscaled-cloud"),
            ("vsphere", [:], "on-premises"), ("strange", [:], "unknown environment"),
        ] as [(String, [String: String], String)])
    func environment(_ provider: String, _ labels: [String: String], _ expected: String) {
        var scene = Scene()
        scene.nodes = Scene.cloud(provider, labels: labels)
        #expect(scene.advisor.environment.hasPrefix("\(expected): the Nodes' providerID begins with \(provider)://"))
    }
}
