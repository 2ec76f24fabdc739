import KubernetesModel
import NetworkTypes
import ServicePolicy
import Testing

@Suite("Which endpoints: slices and ports")
struct SliceMatchingTests {
    @Test("Slices for a headless Service, of another family or of names are ignored", arguments: Scenario.families)
    func ignoredSlices(family: IPFamily) {
        let scenario = Scenario(family, .make(family, 1))
        for damage: (inout EndpointSlice) -> Void in [
            { $0.isHeadless = true },
            { $0.addressFamily = family == .ipv4 ? .ipv6 : .ipv4 },
            { $0.addressFamily = nil },
        ] {
            var damaged = scenario
            damage(&damaged.slices[0])
            #expect(damaged.selection == EndpointSelection())
        }
        #expect(scenario.selection.usable == Scenario.backends(family, [1]))
    }

    @Test("An address of another family than its slice's is ignored")
    func foreignAddress() {
        let scenario = Scenario(.ipv4, .make(.ipv6, 1), .make(.ipv4, 2))
        #expect(scenario.selection.usable == Scenario.backends(.ipv4, [2]))
    }

    @Test("Port name and protocol must both match", arguments: Scenario.families)
    func portMatch(family: IPFamily) {
        var scenario = Scenario(family, .make(family, 1))
        scenario.slices[0].ports = [
            EndpointPort(name: "dns", transport: .udp, port: 1053), EndpointPort(name: "dns-tcp", port: 2053),
            EndpointPort(name: "", transport: .udp, port: 3053),
        ]
        func ports(_ name: String, _ transport: TransportProtocol) -> [UInt16] {
            scenario.port = ServicePort(name: name, transport: transport, port: 53)
            return scenario.selection.usable.map(\.port)
        }
        #expect(ports("dns", .udp) == [1053])
        #expect(ports("dns", .tcp) == [])
        #expect(ports("dns-tcp", .tcp) == [2053])
        #expect(ports("", .udp) == [3053])
        #expect(ports("", .tcp) == [])
        #expect(ports("http", .tcp) == [])
    }

    @Test("A port without a number is skipped", arguments: [nil, 0] as [UInt16?])
    func openPort(number: UInt16?) {
        var scenario = Scenario(.ipv4, .make(.ipv4, 1))
        scenario.slices[0].ports = [EndpointPort(port: number)]
        #expect(scenario.selection == EndpointSelection())
    }

    @Test("Each slice has its own port numbers", arguments: Scenario.families)
    func portsPerSlice(family: IPFamily) {
        var scenario = Scenario(family, .make(family, 2))
        scenario.slices.append(Scenario.slice(family, name: "web-2", [.make(family, 1)]))
        scenario.slices[1].ports[0].port = 9090
        #expect(
            scenario.selection.usable
                == Scenario.backends(family, [1], port: 9090) + Scenario.backends(family, [2]))
    }

    @Test("The same address and port in two slices counts once", arguments: Scenario.families)
    func duplicate(family: IPFamily) {
        var scenario = Scenario(family, .make(family, 1), .make(family, 2))
        scenario.slices.append(Scenario.slice(family, name: "web-2", [.make(family, 2), .make(family, 1)]))
        #expect(scenario.selection.clusterPool == Scenario.backends(family, [1, 2]))
        #expect(scenario.selection.usable == Scenario.backends(family, [1, 2]))
    }

    @Test("Of two entries, one that does not terminate wins, even if it is not ready", arguments: [false, true])
    func nonTerminatingWins(isReversed: Bool) {
        for family in Scenario.families {
            var scenario = Scenario(family)
            func slices(_ first: Endpoint.Life, _ second: Endpoint.Life) -> [EndpointSlice] {
                let slices = [
                    Scenario.slice(family, name: "web-1", [.make(family, 1, first)]),
                    Scenario.slice(family, name: "web-2", [.make(family, 1, second)]),
                ]
                return isReversed ? slices.reversed() : slices
            }
            scenario.slices = slices(.terminatingServing, .ready)
            #expect(scenario.selection.clusterPool == Scenario.backends(family, [1]))
            scenario.slices = slices(.terminatingServing, .notReady)
            #expect(scenario.selection == EndpointSelection())
            scenario.slices = slices(.notReady, .ready)
            #expect(scenario.selection.clusterPool == Scenario.backends(family, [1]))
        }
    }
}

@Suite("Why an endpoint is in or out")
struct EndpointDecisionTests {
    private func decisions(_ scenario: Scenario) -> [[EndpointDecision]] {
        scenario.explanations.map { [$0.cluster, $0.local] }
    }

    @Test("Conditions and place")
    func conditions() {
        let scenario = Scenario(
            .ipv4, .make(.ipv4, 1, on: "here"), .make(.ipv4, 2, on: "there"), .make(.ipv4, 3, .notReady, on: "here"),
            .make(.ipv4, 4, .terminatingServing, on: "here"), .make(.ipv4, 5, .terminatingServing, on: "there"),
            .make(.ipv4, 6, .terminatingSilent, on: "there"), .make(.ipv4, 7, on: nil))
        #expect(
            decisions(scenario) == [
                [.used, .used], [.used, .otherNode], [.notReady, .notReady],
                [.terminatingNotNeeded, .terminatingNotNeeded], [.terminatingNotNeeded, .otherNode],
                [.notReady, .notReady], [.used, .otherNode],
            ])
        #expect(scenario.explanations.map(\.isUsable) == [true, true, false, true, true, false, true])
        #expect(scenario.explanations.map(\.index) == Array(0..<7))
    }

    @Test("Fallback")
    func fallback() {
        let scenario = Scenario(
            .ipv6, .make(.ipv6, 1, .terminatingServing, on: "here"), .make(.ipv6, 2, .notReady))
        #expect(decisions(scenario) == [[.usedWhileTerminating, .usedWhileTerminating], [.notReady, .notReady]])
    }

    @Test("Hints")
    func hints() {
        let zones = Scenario(
            .ipv4, .make(.ipv4, 1, forZones: ["east"]), .make(.ipv4, 2, on: "here", forZones: ["west"]))
        #expect(decisions(zones) == [[.used, .otherNode], [.hintedToOtherZones, .used]])
        let nodes = Scenario(
            .ipv4, .make(.ipv4, 1, forNodes: ["here"]), .make(.ipv4, 2, on: "here", forNodes: ["there"]))
        #expect(decisions(nodes) == [[.used, .otherNode], [.hintedToOtherNodes, .used]])
    }

    @Test("Entries that do not count")
    func ignored() {
        var scenario = Scenario(.ipv4, .make(.ipv4, 1, .terminatingServing), .make(.ipv6, 2))
        for (name, change) in [
            ("a", { _ in }), ("b", { $0.isHeadless = true }), ("c", { $0.addressFamily = nil }),
            ("d", { $0.ports[0].name = "x" }), ("e", { $0.ports[0].port = nil }), ("f", { _ in }),
        ] as [(String, (inout EndpointSlice) -> Void)] {
            var slice = Scenario.slice(.ipv4, name: name, [.make(.ipv4, 1)])
            change(&slice)
            scenario.slices.append(slice)
        }
        #expect(
            scenario.explanations.map(\.cluster) == [
                .duplicate, .otherFamily, .used, .headlessSlice, .otherFamily, .noPort, .openPort, .duplicate,
            ])
        #expect(scenario.explanations.map(\.port) == [8080, 8080, 8080, nil, nil, nil, nil, 8080])
    }
}
