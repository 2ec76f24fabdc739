import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import ServiceDataplane
import ServicePolicy
import Testing

private func says(_ explanation: Explanation, _ topic: Explanation.Topic, _ words: String) -> Bool {
    explanation.lines.contains { $0.topic == topic && $0.text.contains(words) }
}

@Suite("Explanations in the words of the API")
struct ExplanationTests {
    @Test("the kind of frontend, policy, endpoints and source of a connection that is served")
    func served() throws {
        let cluster = Cluster((web(), [try endpoint("10.128.1.5", on: "a"), try endpoint("10.128.2.5", on: "b")]))
        for (target, words) in [
            ("10.96.0.1:80", "ClusterIP 10.96.0.1"), ("10.251.0.1:80", "external IP"),
            ("10.250.0.1:80", "load balancer IP"),
            ("node:30080", "node port 30080"), ("default/web:http", "ClusterIP"),
        ] {
            let explanation = try cluster.ask("external", target)
            #expect(explanation.verdict == .reaches)
            #expect(says(explanation, .service, words), "\(explanation.lines)")
            #expect(
                explanation.reached.map(\.nodeName) == ["a", "b"] && explanation.reached.allSatisfy { $0.share == 0.5 })
            #expect(explanation.reached.allSatisfy { $0.masquerade != nil })
        }
        let pod = try cluster.ask("10.128.1.5", "10.96.0.1:80")
        #expect(pod.reached.map(\.masquerade) == [.hairpin, nil])
        #expect(says(pod, .source, "within --cluster-cidr 10.128.0.0/16"))
    }

    @Test("Local policy: who is bound by it, and who is left out")
    func local() throws {
        var cluster = Cluster(
            (
                web { $0.externalTrafficPolicy = .local },
                [try endpoint("10.128.1.5", on: "a"), try endpoint("10.128.2.5", on: "b")]
            ))
        let outside = try cluster.ask("external", "10.250.0.1:80")
        #expect(outside.reached.map(\.nodeName) == ["a"] && outside.leftOut.map(\.code) == ["otherNode"])
        #expect(says(outside, .policy, "externalTrafficPolicy Local: endpoints on a only"))
        #expect(says(outside, .address, "kept"))
        let pod = try cluster.ask("pod", "10.250.0.1:80")
        #expect(pod.reached.count == 2 && says(pod, .policy, "short-circuited"))
        cluster.options.strictLocal = true
        let bound = try cluster.ask("pod", "10.250.0.1:80")
        #expect(bound.reached.count == 1 && says(bound, .policy, "endpoints on a only, also for pods"))
    }

    @Test("the words choose the pool that the rules choose", arguments: [false, true], [false, true])
    func agreement(_ isStrict: Bool, _ isPreferring: Bool) throws {
        let endpoints = [
            try endpoint("10.128.1.5", on: "a"), try endpoint("10.128.2.5", on: "b"),
            try endpoint("10.128.2.6", on: nil),
        ]
        for (external, inside) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let policies = Service.TrafficPolicy.allCases
            let service = web {
                ($0.externalTrafficPolicy, $0.internalTrafficPolicy) = (policies[external], policies[inside])
                if isPreferring { $0.annotations[Service.externalTrafficAnnotation] = Service.preferLocal }
            }
            var cluster = Cluster((service, endpoints))
            cluster.options.strictLocal = isStrict
            for source in ["external", "pod", "node", "10.128.1.5"] {
                for target in ["10.96.0.1:80", "10.251.0.1:80", "10.250.0.1:80", "node:30080"] {
                    let explanation = try cluster.ask(source, target)
                    let all = explanation.reached.map(\.backend.address) + explanation.leftOut.map(\.address)
                    #expect(Set(all) == Set(endpoints.map(\.address)) && all.count == 3, "\(source) \(target)")
                    #expect(explanation.leftOut.allSatisfy { $0.code == "otherNode" }, "\(source) \(target)")
                    #expect(says(explanation, .policy, explanation.reached.count == 1 ? "on a" : "any ready endpoint"))
                }
            }
        }
    }

    @Test("Local policy without an endpoint here names the nodes that have one")
    func gap() throws {
        let endpoints = [try endpoint("10.128.1.5", on: "a", isReady: false), try endpoint("10.128.2.5", on: "b")]
        let cluster = Cluster(
            (
                web {
                    $0.externalTrafficPolicy = .local
                    $0.internalTrafficPolicy = .local
                    $0.healthCheckNodePort = 32000
                }, endpoints
            ))
        let external = try cluster.ask("external", "10.250.0.1:80")
        #expect(external.verdict == .dropped && external.cause == .externalLocal)
        #expect(says(external, .because, "b: 1") && says(external, .because, "1 not ready"))
        #expect(says(external, .mend, "externalTrafficPolicy Cluster") && says(external, .note, "32000 answers 503"))
        #expect(Set(external.leftOut.map(\.code)) == ["notReady", "otherNode"])
        let inside = try cluster.ask("pod", "default/web")
        #expect(inside.cause == .internalLocal && says(inside, .mend, "internalTrafficPolicy Cluster"))
        let check = try cluster.ask("external", "node:32000")
        #expect(check.verdict == .untouched && says(check, .because, "health check port of default/web"))
    }

    @Test("no endpoint at all: what the endpoints lack")
    func empty() throws {
        let waiting = try Cluster((web(), [try endpoint("10.128.1.5", on: "a", isReady: false)])).ask(
            "pod", "default/web")
        #expect(waiting.verdict == .refused && waiting.refusal == .reset && waiting.cause == .noEndpoint)
        #expect(says(waiting, .because, "1 is not ready"))
        #expect(try says(Cluster((web(), [])).ask("pod", "default/web"), .mend, "selector"))
        let other = web { $0.ports[0].name = "https" }
        let unmatched = try Cluster((other, [try endpoint("10.128.1.5", on: "a")])).ask("pod", "default/web")
        #expect(says(unmatched, .because, "has no tcp port \"https\""))
    }

    @Test("no endpoint, and what the annotation says of that")
    func withoutEndpoint() throws {
        func ask(_ action: String, _ target: String, isLocal: Bool = false) throws -> Explanation {
            let service = web {
                $0.annotations[Service.noEndpointsAnnotation] = action
                if isLocal { $0.externalTrafficPolicy = .local }
            }
            return try Cluster((service, isLocal ? [try endpoint("10.128.2.5", on: "b")] : [])).ask("external", target)
        }
        for target in ["10.96.0.1:80", "10.250.0.1:80", "10.251.0.1:80", "node:30080"] {
            let dropped = try ask("drop", target)
            #expect(dropped.verdict == .dropped && dropped.cause == .noEndpoint, "\(target)")
            #expect(says(dropped, .because, "no-endpoints: drop") && says(dropped, .mend, "selector"))
        }
        let clusterIP = try ask("pass", "10.96.0.1:80")
        #expect(clusterIP.verdict == .refused && says(clusterIP, .because, "not for a ClusterIP"))
        for isLocal in [false, true] {
            let routed = try ask("pass", "10.250.0.1:80", isLocal: isLocal)
            #expect(routed.verdict == .untouched && routed.place != nil)
            #expect(says(routed, .because, "the routes of a") && says(routed, .because, "comes back"))
            #expect(says(routed, .because, isLocal ? "b: 1" : "has no IPv4 endpoint"), "\(routed.lines)")
            let own = try ask("pass", "node:30080", isLocal: isLocal)
            #expect(own.verdict == .untouched && says(own, .because, "leaves it to a itself"))
        }
    }

    @Test("an external IP that is not served, and why")
    func unservedExternalIP() throws {
        var cluster = Cluster((web(), [try endpoint("10.128.1.5", on: "a")]))
        #expect(try cluster.ask("external", "10.251.0.1:80").verdict == .reaches)
        cluster.servesExternalIPs = false
        let explanation = try cluster.ask("external", "10.251.0.1:80")
        #expect(explanation.verdict == .untouched && explanation.place == nil)
        #expect(says(explanation, .because, "is a external IP of default/web"))
        #expect(says(explanation, .because, "are not served (AllowServiceExternalIPs is false, or --no-external-ips"))
        #expect(try cluster.ask("external", "10.250.0.1:80").verdict == .reaches)
    }

    @Test("source ranges")
    func ranges() throws {
        let service = web { $0.loadBalancerSourceRanges = [CIDR("203.0.113.0/24")].compactMap { $0 } }
        let cluster = Cluster((service, [try endpoint("10.128.1.5", on: "a")]))
        let refused = try cluster.ask("198.51.100.9", "10.250.0.1:80")
        #expect(refused.verdict == .dropped && refused.cause == .outsideSourceRanges)
        #expect(says(refused, .mend, "198.51.100.9") && !says(refused, .policy, ""))
        #expect(try says(cluster.ask("203.0.113.9", "10.250.0.1:80"), .ranges, "hold 203.0.113.9: 203.0.113.0/24"))
    }

    @Test("affinity, contested frontends and what is found wrong")
    func notes() throws {
        let service = web {
            $0.sessionAffinity = .clientIP(timeoutSeconds: 77)
            $0.externalIPs.append(contentsOf: [IPAddress("fd00::1")].compactMap { $0 })
        }
        var rival = web()
        (rival.key.name, rival.creationTimestamp) = ("rival", "2026-02-01T00:00:00Z")
        rival.clusterIPs = [IPAddress("10.96.0.2")].compactMap { $0 }
        let cluster = Cluster((service, [try endpoint("10.128.1.5", on: "a")]), (rival, []))
        let explanation = try cluster.ask("external", "10.250.0.1:80")
        #expect(explanation.place?.service.name == "web" && says(explanation, .affinity, "77 s"))
        #expect(says(explanation, .note, "default/rival claims the same"))
        #expect(says(explanation, .note, "fd00::1"))
    }

    @Test(
        "what is no frontend",
        arguments: [
            ("10.96.0.1:81", RefusalCause.undefinedPort, "ClusterIP of default/web, which has no tcp port 81"),
            ("10.96.7.7:80", .unallocatedClusterIP, "ServiceCIDR 10.96.0.0/12"),
            ("10.250.0.1:81", nil, "is a load balancer IP of default/web"),
            ("10.250.0.1:81", nil, "If it comes back, because the router there sends the address here, it is refused"),
            ("10.128.2.5:8080", nil, "endpoint of default/web, on b"),
            ("10.128.2.77:8080", nil, "pods' range 10.128.0.0/16"), ("8.8.8.8:53/udp", nil, "is unknown"),
            ("node:30080/udp", nil, "node port of default/web for tcp"), ("172.30.0.12:30080", nil, "--node b"),
            ("172.30.0.12:22", nil, "address of node b"), ("10.251.0.9:80", nil, "headless"),
        ] as [(String, RefusalCause?, String)])
    func strangers(_ target: String, _ cause: RefusalCause?, _ words: String) throws {
        var headless = Service(key: ObjectKey(namespace: "default", name: "headless"))
        headless.isHeadless = true
        headless.externalIPs = [IPAddress("10.251.0.9")].compactMap { $0 }
        let cluster = Cluster((web(), [try endpoint("10.128.2.5", on: "b")]), (headless, []))
        let explanation = try cluster.ask("pod", target)
        #expect(explanation.cause == cause && explanation.place == nil)
        #expect(says(explanation, .because, words), "\(explanation.lines)")
    }

    @Test("a pod of another node meets that node's rules first")
    func elsewhere() throws {
        let cluster = Cluster((web(), [try endpoint("10.128.2.5", on: "b")]))
        #expect(try says(cluster.ask("10.128.2.5", "default/web"), .note, "--node b"))
        #expect(try !says(cluster.ask("10.128.1.5", "default/web"), .note, "--node"))
    }

    @Test("pods are told by the interface that they are likely to come through")
    func interfaces() throws {
        var cluster = Cluster((web { $0.externalTrafficPolicy = .local }, [try endpoint("10.128.2.5", on: "b")]))
        for detector in [LocalDetector.bridge("pods"), .interfacePrefix("cali")] {
            cluster.options.localDetector = detector
            #expect(try cluster.ask("pod", "10.250.0.1:80").source == .inside)
            #expect(try cluster.ask("10.128.2.9", "10.250.0.1:80").cause == .externalLocal)
        }
        cluster.options.localDetector = .clusterCIDRs([])
        let untold = try cluster.ask("10.128.1.9", "10.250.0.1:80")
        #expect(untold.source == .outside && says(untold, .source, "--cluster-cidr"))
    }

    @Test(
        "questions that are invalid",
        arguments: [
            ("nobody", "10.96.0.1:80"), ("pod", "10.96.0.1"), ("pod", "[10.96.0.1]:80"), ("pod", "fd00::1:80"),
            ("pod", "10.96.0.1:0"), ("pod", "10.96.0.1:70000"), ("pod", "default/none"), ("pod", "default/web:https"),
            ("fd00::1", "10.96.0.1:80"), ("pod", "default/"), ("node", "[fd00::1]:80"),
        ])
    func nonsense(_ from: String, _ to: String) throws {
        let cluster = Cluster((web(), []))
        #expect(throws: QuestionError.self) { try cluster.ask(from, to) }
    }

    @Test("a Service with several ports needs one to be named")
    func ports() throws {
        let service = web { $0.ports += [ServicePort(name: "dns", transport: .udp, port: 53)] }
        let cluster = Cluster((service, []))
        #expect(throws: QuestionError.self) { try cluster.ask("pod", "default/web") }
        #expect(try cluster.ask("pod", "default/web:dns").packet.transport == .udp)
        #expect(try cluster.ask("pod", "default/web/udp").packet.port == 53)
    }
}
