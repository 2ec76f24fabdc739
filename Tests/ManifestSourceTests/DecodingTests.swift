import KubernetesModel
import ManifestSource
import NetworkTypes
import Testing

@Suite struct DecodingTests {
    @Test func aFullServiceIsReadInWhole() throws {
        let file = try decode(
            """
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: shop
              creationTimestamp: 2024-05-01T10:00:00Z
              labels: {service.kubernetes.io/service-proxy-name: other}
              annotations: {fairlead.dev/mode: fast, example.com/x: y}
            spec:
              type: LoadBalancer
              clusterIP: 10.96.0.1
              clusterIPs: [10.96.0.1, "fd00::1"]
              externalIPs: [192.0.2.1]
              externalTrafficPolicy: Local
              internalTrafficPolicy: Local
              healthCheckNodePort: 32000
              sessionAffinity: ClientIP
              sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
              loadBalancerSourceRanges: [" 10.0.0.0/8 "]
              publishNotReadyAddresses: true
              trafficDistribution: PreferClose
              ports:
              - {name: http, port: 80, targetPort: 8080, nodePort: 30080}
              - {name: dns, port: 80, protocol: UDP, nodePort: 30080}
            status:
              loadBalancer:
                ingress: [{ip: 198.51.100.1}, {ip: 198.51.100.2, ipMode: Proxy}, {hostname: a.example}]
            """)
        #expect(file.findings.isEmpty)
        let service = try #require(file.services.first)
        var expected = Service(key: ObjectKey(namespace: "shop", name: "web"))
        expected.creationTimestamp = "2024-05-01T10:00:00Z"
        expected.serviceProxyName = "other"
        expected.annotations = ["fairlead.dev/mode": "fast"]
        expected.type = .loadBalancer
        expected.clusterIPs = ["10.96.0.1", "fd00::1"].compactMap { IPAddress($0) }
        expected.externalIPs = ["192.0.2.1"].compactMap { IPAddress($0) }
        expected.externalTrafficPolicy = .local
        expected.internalTrafficPolicy = .local
        expected.healthCheckNodePort = 32000
        expected.sessionAffinity = .clientIP(timeoutSeconds: 60)
        expected.loadBalancerSourceRanges = ["10.0.0.0/8"].compactMap { CIDR($0) }
        expected.publishNotReadyAddresses = true
        expected.trafficDistribution = "PreferClose"
        expected.ports = [
            ServicePort(name: "http", port: 80, nodePort: 30080),
            ServicePort(name: "dns", transport: .udp, port: 80, nodePort: 30080),
        ]
        expected.loadBalancerIngress = [
            .init(address: try #require(IPAddress("198.51.100.1"))),
            .init(address: try #require(IPAddress("198.51.100.2")), mode: .proxy),
        ]
        #expect(service == expected)
    }

    @Test("a full slice is read in whole, of each endpoint the first address") func fullSlice() throws {
        let file = try decode(
            slice(
                """
                addressType: IPv4
                ports: [{name: http, port: 8080}, {name: open, protocol: SCTP, port: null}]
                endpoints:
                - addresses: [10.0.0.1, 10.0.0.2]
                  nodeName: a-node-with-a-long-name
                  zone: "1"
                  conditions: {ready: false, serving: null, terminating: true}
                  hints: {forZones: [{name: z1}, {name: z2}], forNodes: [{name: n1}]}
                - addresses: [10.0.0.3]
                """, labels: "{kubernetes.io/service-name: web, service.kubernetes.io/headless: \"\"}"))
        var expected = EndpointSlice(key: ObjectKey(namespace: "default", name: "web-1"), serviceName: "web")
        expected.isHeadless = true
        expected.ports = [
            EndpointPort(name: "http", port: 8080), EndpointPort(name: "open", transport: .sctp, port: nil),
        ]
        var first = Endpoint(
            address: try #require(IPAddress("10.0.0.1")), nodeName: "a-node-with-a-long-name")
        first.zone = "1"
        first.isReady = false
        first.isTerminating = true
        first.hints = Endpoint.Hints(zones: ["z1", "z2"], nodes: ["n1"])
        expected.endpoints = [first, Endpoint(address: try #require(IPAddress("10.0.0.3")))]
        #expect(file.slices == [expected])
        #expect(file.findings.isEmpty)
    }

    @Test(
        "the time that triggered a change of a slice is read, and what is no time is passed over",
        arguments: [
            (
                #"{endpoints.kubernetes.io/last-change-trigger-time: "2026-11-21T09:05:00.25Z"}"#,
                1_795_251_900_250_000_000
            ),
            ("{endpoints.kubernetes.io/last-change-trigger-time: 2026-11-21T09:05:00Z}", 1_795_251_900_000_000_000),
            (#"{endpoints.kubernetes.io/last-change-trigger-time: "yesterday"}"#, nil),
            ("{endpoints.kubernetes.io/last-change-trigger-time: [1]}", nil), ("{other: x}", nil), ("text", nil),
        ] as [(String, Int64?)])
    func triggerTime(_ annotations: String, _ expected: Int64?) throws {
        let file = try decode(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, "
                + "labels: {kubernetes.io/service-name: web}, annotations: \(annotations)}\naddressType: IPv4\n")
        #expect(file.slices.map(\.lastChangeTriggerTime) == [expected])
        #expect(file.findings.isEmpty)
    }

    @Test func nodesAndServiceCIDRsAreRead() throws {
        let file = try decode(
            """
            apiVersion: v1
            kind: Node
            metadata:
              name: n1.example
              deletionTimestamp: "2024-05-01T10:00:00Z"
              labels: {topology.kubernetes.io/zone: z, node.kubernetes.io/exclude-from-external-load-balancers: ""}
            spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, "fd01::/64"], taints: [{key: a/b, effect: NoSchedule}]}
            status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 10.9.0.1},
              {type: ExternalIP, address: 192.0.2.9}]}
            ---
            apiVersion: networking.k8s.io/v1beta1
            kind: ServiceCIDR
            metadata: {name: kubernetes}
            spec: {cidrs: [10.96.0.0/12, "fd00::/108"]}
            """)
        #expect(file.findings.isEmpty)
        var node = Node(name: "n1.example")
        node.isBeingDeleted = true
        node.isExcludedFromLoadBalancers = true
        node.zone = "z"
        node.podCIDRs = ["10.1.0.0/24", "fd01::/64"].compactMap { CIDR($0) }
        node.taints = ["a/b"]
        node.internalIPs = ["10.9.0.1"].compactMap { IPAddress($0) }
        node.externalIPs = ["192.0.2.9"].compactMap { IPAddress($0) }
        let range = ServiceCIDR(
            name: "kubernetes", cidrs: ["10.96.0.0/12", "fd00::/108"].compactMap { CIDR($0) })
        #expect(file.objects.map(\.object) == [.node(node), .serviceCIDR(range)])
    }

    @Test("what only advice reads is read on demand, and a wrong type in it costs nothing else") func details() throws {
        let text = """
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              labels: {app: web, number: 7}
              annotations: {example.com/x: note, kubectl.kubernetes.io/last-applied-configuration: "{}"}
            spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80}], loadBalancerClass: example.com/lb,
              allocateLoadBalancerNodePorts: false}
            status: {loadBalancer: {ingress: [{ip: 198.51.100.1}, {hostname: a.example}]}}
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: n1, labels: {topology.kubernetes.io/zone: z}}
            spec: {providerID: "aws:///z/i-1", unschedulable: true}
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: n2}
            spec: {providerID: 7, unschedulable: often}
            """
        var service = ServiceDetails()
        service.labels = ["app": "web"]
        service.annotations = ["example.com/x": "note"]
        service.loadBalancerClass = "example.com/lb"
        service.allocatesNodePorts = false
        service.ingressHostnames = ["a.example"]
        var node = NodeDetails()
        node.labels = ["topology.kubernetes.io/zone": "z"]
        node.providerID = "aws:///z/i-1"
        node.isUnschedulable = true
        for isAsked in [true, false] {
            var decoder = ManifestDecoder(path: "f.yaml", details: isAsked)
            let file = try decoder.decode(text)
            #expect(file.findings.isEmpty)
            let nodes = file.objects.compactMap {
                if case .node(let node) = $0.object { node.details.value } else { nil }
            }
            #expect(file.services.map(\.details) == [isAsked ? .read(service) : .unread])
            #expect(nodes == (isAsked ? [node, NodeDetails()] : []))
        }
    }

    @Test func headlessAndExternalNameServicesAreReadWithoutFindings() throws {
        let file = try decode(
            service("clusterIP: None", name: "a") + "---\n" + service("clusterIPs: [None]\nclusterIP: None", name: "b")
                + "---\n" + service("type: ExternalName\nexternalName: example.com", name: "c"))
        #expect(file.services.map(\.isHeadless) == [true, true, false])
        #expect(file.services.last?.type == .externalName)
        #expect(file.findings.isEmpty)
    }

    @Test(
        "ClientIP affinity lasts three hours unless the Service says otherwise",
        arguments: [("", 10_800), ("\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 1}}", 1)])
    func affinityTimeout(_ more: String, _ seconds: Int) throws {
        let spec = "clusterIP: 10.96.0.1\nports: [{port: 80}]\nsessionAffinity: ClientIP" + more
        #expect(try decode(service(spec)).services.map(\.sessionAffinity) == [.clientIP(timeoutSeconds: seconds)])
    }

    @Test("the annotation for source ranges counts where the field is empty") func oldAnnotation() throws {
        func ranges(_ field: String) throws -> [String] {
            let file = try decode(
                """
                apiVersion: v1
                kind: Service
                metadata:
                  name: web
                  annotations: {service.beta.kubernetes.io/load-balancer-source-ranges: "10.0.0.0/8, 192.0.2.0/24,"}
                spec: {type: LoadBalancer, clusterIP: 10.96.0.1, \(field) ports: [{port: 80}]}
                """)
            return try #require(file.services.first).loadBalancerSourceRanges.map(\.description)
        }
        #expect(try ranges("") == ["10.0.0.0/8", "192.0.2.0/24"])
        #expect(try ranges("loadBalancerSourceRanges: [172.16.0.0/12],") == ["172.16.0.0/12"])
    }

    @Test("a slice of names has no endpoints") func sliceOfNames() throws {
        let file = try decode(slice("addressType: FQDN\nendpoints: [{addresses: [example.com]}]"))
        #expect(file.slices.first?.addressFamily == nil)
        #expect(file.slices.first?.endpoints == [])
        #expect(file.findings.isEmpty)
    }

    @Test func listsAndTopLevelSequencesAreUnfolded() throws {
        func item(_ name: String) -> String {
            "{apiVersion: v1, kind: Service, metadata: {name: \(name)}, spec: {clusterIP: None}}"
        }
        let file = try decode(
            """
            apiVersion: v1
            kind: List
            items:
            - \(item("a"))
            - {apiVersion: v1, kind: List, items: [\(item("b"))]}
            - null
            ---
            - \(item("c"))
            ---
            apiVersion: v1
            kind: ServiceList
            items:
            - {metadata: {name: d}, spec: {clusterIP: None}}
            ---
            {apiVersion: discovery.k8s.io/v1, kind: EndpointSliceList, items: [{metadata: {name: e}, addressType: IPv6}]}
            ---
            {apiVersion: v1, kind: NodeList, items: [{metadata: {name: f}}]}
            ---
            {apiVersion: networking.k8s.io/v1, kind: ServiceCIDRList, items: null}
            """)
        #expect(
            file.names == [
                "Service default/a", "Service default/b", "Service default/c", "Service default/d",
                "EndpointSlice default/e", "Node f",
            ])
        #expect(file.objects.map(\.location.line) == [4, 5, 8, 13, 15, 17])
        #expect(file.findings.map(\.code) == ["slice-without-service"])
    }

    @Test func listsInListsAreBounded() throws {
        var text = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: None}}"
        for _ in 0..<9 { text = "{apiVersion: v1, kind: List, items: [\(text)]}" }
        let file = try decode(text)
        #expect(file.objects.isEmpty)
        #expect(file.findings.map(\.message) == ["lists are nested deeper than 8 levels"])
    }

    @Test func otherKindsAreSkippedWithoutAFinding() throws {
        let file = try decode(
            "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: serving.knative.dev/v1\nkind: Service\n"
                + "---\napiVersion: v1\nkind: ConfigMapList\nitems: []\n" + survivor)
        #expect(file.names == ["Service default/survivor"])
        #expect(file.findings.isEmpty)
        #expect(
            file.skipped.map { "\($0.location) \($0.kind)" } == [
                "f.yaml:1 apps/v1 Deployment", "f.yaml:4 serving.knative.dev/v1 Service", "f.yaml:7 v1 ConfigMapList",
            ])
    }

    @Test func mergeKeysLendTheirFields() throws {
        let file = try decode(
            """
            - apiVersion: v1
              kind: Service
              metadata: {name: a}
              spec: &spec {type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80}]}
            - apiVersion: v1
              kind: Service
              metadata: {name: b}
              spec: {<<: *spec, clusterIP: 10.96.0.2}
            """)
        #expect(file.services.map(\.type) == [.nodePort, .nodePort])
        #expect(file.services.map { $0.clusterIPs.map(\.description) } == [["10.96.0.1"], ["10.96.0.2"]])
    }
}
