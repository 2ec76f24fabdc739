/// Values that API servers accept, or keep from earlier versions, and some that only manifests can have.
extension SourceCase {
    /// One case for each value, beside values that are in order.
    static let oddValues: [SourceCase] =
        oddAddresses + oddPorts + oddChoices + oddRanges + oddEndpoints + oddNodes + oddLabels + oddWeights + oddTimes
        + absences

    private static func service(_ spec: String, metadata: String = "", status: String = "") -> SourceCase {
        SourceCase(
            testDescription: "Service {\(metadata)} {\(spec)} {\(status)}",
            text: """
                apiVersion: v1
                kind: Service
                metadata: {name: web, namespace: shop\(metadata.isEmpty ? "" : ", ")\(metadata)}
                spec: {\(spec)}
                status: {loadBalancer: {ingress: [\(status)]}}
                """)
    }

    private static func balanced(_ spec: String = "", metadata: String = "", status: String = "") -> SourceCase {
        let more = spec.isEmpty ? "" : ", \(spec)"
        return service(
            "type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]\(more)", metadata: metadata,
            status: status)
    }

    private static func slice(
        _ endpoints: String, ports: String = "{port: 8080}", type: String = "IPv4", labels: String = ""
    ) -> SourceCase {
        SourceCase(
            testDescription: "EndpointSlice \(type) {\(endpoints)} {\(ports)} {\(labels)}",
            text: """
                apiVersion: discovery.k8s.io/v1
                kind: EndpointSlice
                metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web\(labels)}}
                addressType: \(type)
                ports: [\(ports)]
                endpoints: [\(endpoints)]
                """)
    }

    private static func node(_ addresses: String, podCIDRs: String = "") -> SourceCase {
        SourceCase(
            testDescription: "Node {\(addresses)} {\(podCIDRs)}",
            text: """
                apiVersion: v1
                kind: Node
                metadata: {name: node1}
                spec: {podCIDRs: [\(podCIDRs)]}
                status: {addresses: [\(addresses)]}
                """)
    }

    private static func serviceCIDR(_ blocks: String) -> SourceCase {
        SourceCase(
            testDescription: "ServiceCIDR {\(blocks)}",
            text: """
                apiVersion: networking.k8s.io/v1
                kind: ServiceCIDR
                metadata: {name: x}
                spec: {cidrs: [\(blocks)]}
                """)
    }

    private static let strange = [
        "192.0.2.007", "::ffff:192.0.2.7", "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.1.1", "ff02::1", "169.254.1.1",
        "FE80::1", "fe80::1%eth0", " ", "lb.example.com", " 192.0.2.7", "192.0.2.256", "192.0.2.7\\n",
        "255.255.255.255", "::ffff:255.255.255.255", "0:0:0:0:0:0:0:1", "::FFFF:127.0.0.1", "1.2.3", "0x7f.0.0.1",
    ]

    private static let oddAddresses: [SourceCase] =
        strange.flatMap { text in
            [
                balanced("externalIPs: [\"\(text)\", 192.0.2.9]"),
                balanced(status: "{ip: \"\(text)\"}, {ip: 192.0.2.8, ipMode: VIP}"),
                service("clusterIP: \"\(text)\", ports: [{port: 80}]"),
                service("clusterIPs: [\"\(text)\", \"fd00::7\"], ports: [{port: 80}]"),
            ]
        }
        + [
            service("clusterIP: 010.96.0.1, clusterIPs: [10.96.0.1], ports: [{port: 80}]"),
            service("clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 10.96.0.2], ports: [{port: 80}]"),
            service("clusterIP: 10.96.0.1, clusterIPs: [10.96.0.2], ports: [{port: 80}]"),
            service("clusterIP: None, clusterIPs: [10.96.0.1], ports: [{port: 80}]"),
            service("clusterIP: None, clusterIPs: [None, 10.96.0.1], ports: [{port: 80}]"),
            service("clusterIPs: [10.96.0.1, None], ports: [{port: 80}]"),
        ]

    private static let oddPorts: [SourceCase] =
        [0, -1, 65536, 70000, 2_147_483_647].flatMap { number in
            [
                service("clusterIP: 10.96.0.1, ports: [{name: a, port: \(number)}, {name: b, port: 80}]"),
                service("clusterIP: 10.96.0.1, ports: [{port: \(number)}]"),
                slice("{addresses: [10.0.0.1]}", ports: "{name: a, port: 8080}, {name: b, port: \(number)}"),
            ]
        }
        + [-1, 65536, 70000, 2_147_483_647].flatMap { number in
            [
                service("type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: \(number)}]"),
                balanced("externalTrafficPolicy: Local, healthCheckNodePort: \(number)"),
            ]
        }
        + [
            slice("{addresses: [10.0.0.1]}", ports: "{name: a, port: null}"),
            slice("{addresses: [10.0.0.1]}", ports: "{name: a, port: 1}, {name: a, port: 2}"),
            slice("{addresses: [10.0.0.1]}", ports: "{port: 1}, {port: 2}"),
            slice("{addresses: [10.0.0.1]}", ports: "{name: A_b, port: 1}, {name: b, port: 2}"),
            service("clusterIP: 10.96.0.1"),
            service("clusterIP: 10.96.0.1, ports: [{name: a, port: 80}, {name: a, port: 81}]"),
            service("clusterIP: 10.96.0.1, ports: [{name: a, port: 80}, {name: b, port: 80}]"),
            service("clusterIP: 10.96.0.1, ports: [{port: 80}, {name: b, port: 81}]"),
            service("clusterIP: 10.96.0.1, ports: [{name: A_b, port: 80}, {name: b, port: 81}]"),
            service(
                "type: NodePort, clusterIP: 10.96.0.1, "
                    + "ports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 81, nodePort: 30080}]"),
            service("clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]"),
            balanced("externalTrafficPolicy: Local, healthCheckNodePort: 30080"),
            balanced("sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}"),
            balanced("sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 100000}}"),
        ]

    private static let oddChoices: [SourceCase] = [
        service("type: Tunnel, clusterIP: 10.96.0.1, ports: [{port: 80}]"),
        service("type: Tunnel, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]"),
        service("type: Tunnel, clusterIP: 10.96.0.1, ports: [{port: 80}]", status: "{ip: 192.0.2.1}"),
        service("type: Tunnel, clusterIP: 10.96.0.1, ports: [{port: 80}]", status: "{hostname: lb.example.com}"),
        service("type: Tunnel, clusterIP: None, ports: [{port: 80}]", status: "{ip: 192.0.2.1}"),
        service("type: Tunnel"), service("type: externalname, externalName: example.com"),
        service("clusterIP: 10.96.0.1, ports: [{name: a, port: 80, protocol: QUIC}, {name: b, port: 80}]"),
        service("clusterIP: 10.96.0.1, ports: [{port: 80, protocol: tcp}]"), balanced("externalTrafficPolicy: local"),
        balanced("internalTrafficPolicy: Zone"), balanced("sessionAffinity: Cookie"),
        balanced(status: "{ip: 192.0.2.1, ipMode: Tunnel}, {ip: 192.0.2.2}"),
        slice("{addresses: [10.0.0.1]}", type: "IPv5"), slice("{addresses: [10.0.0.1]}", type: "ipv4"),
        slice("{addresses: [10.0.0.1]}", type: "\"\""),
        slice("{addresses: [10.0.0.1]}", ports: "{name: a, port: 1, protocol: QUIC}, {name: b, port: 2}"),
    ]

    private static let strangeBlocks = [
        "010.0.0.0/8", " 10.0.0.0/8 ", "10.0.0.1/8", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "::ffff:10.0.0.0/104",
        "fd00::1/64", "fd00::/129", "fe80::1%eth0/64", "", " ", "nonsense",
        "fd00::/nonsense", "10.0.0.0/-1", "10.0.0.0/8/8", "255.255.255.255/32",
    ]

    private static let oddRanges: [SourceCase] =
        strangeBlocks.flatMap { text in
            [
                balanced("loadBalancerSourceRanges: [\"\(text)\"]", status: "{ip: 192.0.2.1}"),
                balanced("loadBalancerSourceRanges: [\"\(text)\", 192.0.2.0/24]", status: "{ip: 192.0.2.1}"),
                balanced(metadata: annotation("\(text)")), balanced(metadata: annotation("\(text), 192.0.2.0/24")),
                node("{type: InternalIP, address: 172.30.0.11}", podCIDRs: "\"\(text)\", \"fd00:1::/64\""),
                serviceCIDR("\"\(text)\", \"fd00:1::/64\""), serviceCIDR("\"\(text)\""),
            ]
        }
        + [serviceCIDR("10.0.0.0/8, 11.0.0.0/8"), serviceCIDR("")]

    private static func annotation(_ text: String) -> String {
        "annotations: {service.beta.kubernetes.io/load-balancer-source-ranges: \"\(text)\"}"
    }

    private static let oddEndpoints: [SourceCase] =
        (strange + ["fd00::1", "10.0.0.01"]).flatMap { text in
            [
                slice("{addresses: [\"\(text)\"]}, {addresses: [10.0.0.1]}"),
                slice("{addresses: [\"\(text)\"]}, {addresses: [\"fd00::2\"]}", type: "IPv6"),
                slice("{addresses: [\"\(text)\"]}, {addresses: [10.0.0.1]}", type: "FQDN"),
            ]
        }
        + [slice("{addresses: []}, {addresses: [10.0.0.1]}"), slice("{nodeName: a}, {addresses: [10.0.0.1, \"x\"]}")]

    private static let oddWeights: [SourceCase] = [
        "0", "1", "100", "65535", "65536", "-1", "+1", "007", "00000", "000000", "1.5", "", " 1", "1 ", "0x1",
        "9999999999999999999", "٣",
        "100%", "ten",
    ].map { slice("{addresses: [10.0.0.1]}", labels: "}, annotations: {service.cilium.io/weight: \"\($0)\"") }

    private static let oddNodes: [SourceCase] = (strange + [""]).flatMap { text in
        ["InternalIP", "ExternalIP", "Hostname"].map {
            node("{type: \($0), address: \"\(text)\"}, {type: InternalIP, address: 172.30.0.11}")
        }
    }

    private static let oddTimes = [
        "2026-01-01T00:00:00Z", "2026-01-01T01:30:00+01:30", "2025-12-31T14:00:00-10:00", "2026-01-01T00:00:00.999Z",
    ].map { balanced(metadata: "creationTimestamp: \"\($0)\"") }

    /// Fields that are null, empty or missing where programs seldom leave them so.
    private static let absences: [SourceCase] =
        [
            "externalIPs: null", "loadBalancerSourceRanges: null", "loadBalancerSourceRanges: []",
            "sessionAffinity: ClientIP, sessionAffinityConfig: null",
            "sessionAffinity: ClientIP, sessionAffinityConfig: {}",
            "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {}}",
            "sessionAffinity: None, sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}",
            "sessionAffinity: \"\", externalTrafficPolicy: \"\", internalTrafficPolicy: null",
            "trafficDistribution: Nearby", "healthCheckNodePort: null", "publishNotReadyAddresses: null",
            "externalTrafficPolicy: Local, healthCheckNodePort: 30080",
            "externalIPs: [10.96.0.1, 192.0.2.1, 192.0.2.1]",
        ].map { balanced($0) }
        + [
            "{}", "{ip: null}", "{ip: \"\", hostname: a.example}", "{ip: 192.0.2.1, hostname: a.example}",
            "{ip: 192.0.2.1}, {ip: 192.0.2.1}", "{ip: 192.0.2.1, ipMode: null}", "{ip: 192.0.2.1, ipMode: Proxy}",
            "{hostname: a.example, ipMode: VIP}", "{ip: 10.96.0.1}",
            "{ip: 192.0.2.1, ports: [{port: 80, protocol: TCP}]}",
        ].map { balanced(status: $0) }
        + [
            service("clusterIPs: null, clusterIP: 10.96.0.1, ports: [{port: 80}]"),
            service("clusterIP: FD00::0007, clusterIPs: [\"fd00::7\", 10.96.0.1], ports: [{port: 80}]"),
            service(
                "type: null, clusterIP: 10.96.0.1, ports: [{port: 80, name: null, protocol: null, nodePort: null}]"),
            service("clusterIP: 10.96.0.1, ports: null"), service("clusterIP: \"\", ports: [{port: 80}]"),
            service("clusterIP: 10.96.0.1, ports: [{port: 80, name: 0-a}, {port: 80, protocol: UDP, name: 0-b}]"),
            balanced(metadata: "creationTimestamp: null"), balanced(metadata: "labels: null, annotations: null"),
            balanced(metadata: "deletionTimestamp: 2026-01-01T00:00:00Z"),
            balanced(metadata: "annotations: {fairlead.dev/external-traffic: nonsense}"),
            slice("{addresses: [10.0.0.1], conditions: null, hints: null, nodeName: null, zone: null}"),
            slice("{addresses: [10.0.0.1], conditions: {}, hints: {}, nodeName: \"\", zone: \"\"}"),
            slice("{addresses: [10.0.0.1], conditions: {ready: null, serving: null, terminating: null}}"),
            slice("{addresses: [10.0.0.1], hints: {forZones: null, forNodes: null}}"),
            slice("{addresses: [10.0.0.1], hints: {forZones: [{}], forNodes: [{}]}}, {addresses: [10.0.0.2]}"),
            slice("{addresses: [10.0.0.1], hints: {forZones: [{name: \"\"}, {name: a}, {name: a}]}}"),
            slice("{addresses: [10.0.0.1]}, {addresses: [10.0.0.1], conditions: {ready: false}}"),
            slice("{addresses: null}, {addresses: [10.0.0.1]}"), slice("{}, {addresses: [10.0.0.1]}"),
            slice("{addresses: [10.0.0.1]}", ports: "{}"),
            slice("{addresses: [10.0.0.1]}", ports: "{name: null, protocol: null, port: 1}"),
            slice("{addresses: [10.0.0.1]}", ports: ""), slice(""),
            node("{address: 172.30.0.10}, {type: InternalIP, address: 172.30.0.11}"),
            node("{type: \"\", address: 172.30.0.10}, {type: InternalIP}, {type: InternalIP, address: 172.30.0.11}"),
            node("{type: internalip, address: 172.30.0.10}, {type: InternalIP, address: 172.30.0.11}"),
            node("{}, {type: null, address: null}, {type: InternalIP, address: 172.30.0.11}"),
            node("{type: InternalIP, address: 172.30.0.11}, {type: InternalIP, address: 172.30.0.11}"),
            node("{type: InternalIP, address: 172.30.0.11}", podCIDRs: "10.1.0.0/24, 10.2.0.0/24"),
            SourceCase(
                testDescription: "Node with a taint without a key",
                text: "apiVersion: v1\nkind: Node\nmetadata: {name: node1}\nspec: {taints: [{}, {key: null}, {key: a}]}"
            ),
        ]

    private static let oddLabels: [SourceCase] = [
        balanced(metadata: "labels: {service.kubernetes.io/headless: \"\"}"),
        balanced(metadata: "labels: {service.kubernetes.io/headless: \"no\"}"),
        balanced(metadata: "labels: {service.kubernetes.io/service-proxy-name: other}"),
        balanced(metadata: "labels: {service.kubernetes.io/service-proxy-name: \"\"}"),
        slice("{addresses: [10.0.0.1]}", labels: ", service.kubernetes.io/headless: \"\""),
        slice("{addresses: [10.0.0.1]}", labels: ", service.kubernetes.io/service-proxy-name: other"),
        slice("{addresses: [10.0.0.1]}", labels: ", service.kubernetes.io/service-proxy-name: \"\""),
    ]
}
