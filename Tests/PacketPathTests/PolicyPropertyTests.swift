import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import ServiceDataplane
import ServicePolicy
import Testing

/// The rules do what policy says, for all Services and packets: rules and policy are read apart.
@Suite("Rules and policy agree")
struct PolicyPropertyTests {
    static let options: [DataplaneOptions] = {
        let ranges = [CIDR("10.0.1.0/26"), CIDR("fd00::1:0/122")].compactMap { $0 }
        let detectors: [LocalDetector] = [
            .clusterCIDRs(ranges), .clusterCIDRs(Array(ranges.prefix(1))), .bridge("pods"), .interfacePrefix("cali"),
        ]
        var all: [DataplaneOptions] = []
        for (index, detector) in (detectors + detectors + detectors).enumerated() {
            var options = DataplaneOptions()
            options.localDetector = detector
            options.masqueradeAll = index % 5 == 1
            options.strictLocal = index % 3 == 2
            options.preservesLocalSource = index % 2 == 1
            options.countsConnections = index % 4 == 2
            options.countsTraffic = index % 3 == 1
            all.append(options)
        }
        return all
    }()

    private static func packet(_ random: inout SeededGenerator, own: Set<IPAddress>) -> Packet {
        func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: values.indices, using: &random)] }
        let family = pick(Scene.families)
        let (block, highest) = pick([(0, 20), (0, 8), (2, 7), (3, 7), (3, 7), (5, 2), (5, 1), (5, 1), (1, 5), (7, 3)])
        let destination = Scene.address(family, block, Int.random(in: 1...highest, using: &random))
        let (home, last) = pick([(1, 100), (1, 12), (6, 9), (8, 3)])
        var source = Scene.address(family, home, Int.random(in: 1...last, using: &random))
        var origin = Packet.Origin.interface(pick(["eth0", "pods", "cali1"]))
        if random.oneIn(4) { (source, origin) = (Scene.address(family, 5, 1), .node) }
        if own.contains(source) { origin = .node }
        let port = block == 5 ? UInt16.random(in: 30000...30005, using: &random) : pick([53, 80, 443, 8080])
        return Packet(from: source, to: destination, port, pick(TransportProtocol.allCases), origin: origin)
    }

    private static func seen(_ outcomes: [PacketOutcome]) -> PolicyOracle.Expected? {
        var (kept, masqueraded): (Set<Backend>, Set<Backend>) = ([], [])
        for outcome in outcomes {
            guard outcome.reachesEndpoint, let (address, port) = outcome.destination else { break }
            let backend = Backend(address: address, port: port)
            if outcome.masquerade == nil { kept.insert(backend) } else { masqueraded.insert(backend) }
        }
        if kept.count + masqueraded.count == outcomes.count { return .reaches(kept: kept, masqueraded: masqueraded) }
        guard outcomes.count == 1 else { return nil }
        return switch outcomes[0].fate {
        case .dropped: .dropped
        case .refused: .refused
        case .passed: .untouched
        case .handedOn: nil
        }
    }

    @Test("any packet in any cluster", arguments: 1...12)
    func agreement(_ seed: Int) {
        let oracle = PolicyOracle(seed: UInt64(seed), options: Self.options[seed - 1])
        var random = SeededGenerator(seed: UInt64(seed) << 8)
        var counts: [String: Int] = [:]
        for _ in 0..<300 {
            let packet = Self.packet(&random, own: oracle.own)
            let outcomes = oracle.outcomes(packet)
            let expected = oracle.expected(packet)
            #expect(Self.seen(outcomes) == expected, "\(packet)")
            let sum = outcomes.reduce(0) { $0 + $1.probability }
            #expect(abs(sum - 1) < 1e-9)
            if case .reaches = expected {
                // As likely as they have slots, to within the miss of eight tries.
                let pool = oracle.pool(packet)
                for outcome in outcomes {
                    guard let (address, port) = outcome.destination else { continue }
                    let slots = pool.count { $0 == Backend(address: address, port: port) }
                    #expect(abs(outcome.probability * Double(pool.count) / Double(slots) - 1) < 1.0 / 128, "\(packet)")
                }
            }
            counts[String("\(expected)".prefix(4)), default: 0] += 1
        }
        // Packets of each kind have been there.
        #expect(counts.count == 4 && counts.values.allSatisfy { $0 > 5 }, "\(counts)")
    }

    private static func end(_ outcome: PacketOutcome) -> PolicyOracle.End? {
        switch outcome.fate {
        case .dropped: return .dropped
        case .refused: return .refused
        case .handedOn(let addresses): return addresses.count == 1 ? .handedOn(addresses[0]) : nil
        case .passed(let address, let port):
            if !outcome.isTranslated { return .untouched }
            return .reaches(Backend(address: address, port: port), masqueraded: outcome.masquerade != nil)
        }
    }

    @Test("any packet to Services with direct return", arguments: [1, 3, 6, 8])
    func direct(_ seed: Int) throws {
        let oracle = PolicyOracle(seed: UInt64(seed), options: Self.options[seed - 1], directReturn: true)
        let frontends = oracle.directFrontends
        var random = SeededGenerator(seed: UInt64(seed) << 8)
        var counts: [String: Int] = [:]
        for _ in 0..<400 {
            var packet = Self.packet(&random, own: oracle.own)
            let (frontend, transport) = try #require(frontends.randomElement(using: &random))
            if let address = frontend.address, address.family == packet.family {
                (packet.destination, packet.port, packet.transport) = (address, frontend.port, transport)
            }
            packet.sourcePort = UInt16.random(in: 1024...65535, using: &random)
            let outcomes = oracle.outcomes(packet)
            guard case .direct(let allowed) = oracle.expected(packet) else {
                #expect(Self.seen(outcomes) == oracle.expected(packet), "\(packet)")
                continue
            }
            let ends = outcomes.map(Self.end)
            #expect(ends.allSatisfy { $0.map(allowed.contains) ?? false }, "\(packet): \(ends), not \(allowed)")
            #expect(abs(outcomes.reduce(0) { $0 + $1.probability } - 1) < 1e-9)
            for case let end? in ends { counts[String("\(end)".prefix(4)), default: 0] += 1 }
        }
        #expect((counts["hand"] ?? 0) > 10 && (counts["reac"] ?? 0) > 10, "\(counts)")
    }

    /// Whatever rule drops, refuses or masquerades can be put into words.
    @Test("every rule that ends a packet has a meaning", arguments: options)
    func meanings(_ options: DataplaneOptions) {
        var options = options
        options.servesLocalhostNodePorts = true
        for family in Scene.families {
            let schema = TableSchema(family: family, options: options)
            for chain in schema.chains {
                for (index, rule) in chain.rules.enumerated() {
                    let step = TraceStep(point: .prerouting, chain: chain.name, index: index, rule: rule)
                    if rule.contains(.masquerade) {
                        #expect(MasqueradeCause(step, in: [], schema, options) != .other, "\(rule.text(family))")
                    }
                    // What a packet is refused for stands in the rule that leads there.
                    if rule.contains(.goto("refuse")) || (rule.contains(.drop) && chain.name != "invalid") {
                        #expect(RefusalCause([step], schema) != .other, "\(rule.text(family))")
                    }
                }
            }
        }
    }
}
