import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Testing

/// What another version may have made of a table.
enum Elder: CaseIterable {
    case comments, withoutSet, withMoreSets, otherKey, otherForm, otherNumbers, otherHook, otherRules, otherMemory
    case smallerMemory, otherVerdicts, otherVerdictForm, withoutAddresses, fewerAddresses

    /// Changes a table into what another version would have made.
    func apply(to table: inout SimulatedTable) {
        let former = table.sets["frontend-addresses"]
        switch self {
        case .comments:
            for name in table.sets.keys { table.sets[name]?.declaration.comment = "elder" }
            for name in table.chains.keys { table.chains[name]?.comment = "elder" }
        case .withoutSet:
            table.sets["hairpin"] = nil
            drop(&table, "hairpin")
        case .withoutAddresses:
            table.sets["frontend-addresses"] = nil
            // All flows come to what that set leads to.
            for name in table.chains.keys {
                for index in table.chains[name]?.rules.indices ?? 0..<0 {
                    table.chains[name]?.rules[index].removeAll { $0.set == "frontend-addresses" }
                }
            }
        case .fewerAddresses:
            // An upgrade that was broken off while the set was filled.
            Self.withoutAddresses.apply(to: &table)
            guard var set = former else { return }
            for key in set.elements.keys.sorted().prefix(set.elements.count / 2) { set.elements[key] = nil }
            table.sets["frontend-addresses"] = set
        case .withMoreSets:
            let set = SetDeclaration(SetID(9000), "elder", key: [.sourceAddress])
            table.sets["elder"] = SimulatedSet(set)
            table.chains["elder-chain"] = Chain("elder-chain", rules: [[.drop]])
            table.chains["refuse"]?.rules.insert(
                [.lookup([.sourceAddress], set: "elder"), .goto("elder-chain")], at: 0)
        case .otherKey:
            drop(&table, "hairpin")
            table.sets["hairpin"]?.declaration.key.append(.destinationPort)
            let key = [Selector.sourceAddress, .destinationAddress, .destinationPort]
            table.chains["translate-source"]?.rules.append([.lookup(key, set: "hairpin"), .masquerade])
        case .otherForm:
            for name in table.sets.keys where name.hasPrefix("services-") || name == "cluster-ips" {
                table.sets[name]?.declaration.countsPackets.toggle()
            }
        case .otherNumbers: table.sets["sticky"]?.declaration.countsPackets = true
        case .otherHook: table.chains["nat-prerouting"]?.hook?.priority = -101
        case .otherRules:
            for name in table.chains.keys where name.hasPrefix("pick-") { table.chains[name]?.rules.removeFirst() }
        case .otherMemory:
            table.sets["affinity"]?.elements = [:]
            table.sets["affinity"]?.declaration.key = [.sourceAddress, .priority]
        case .smallerMemory: table.sets["affinity"]?.declaration.size = 10
        case .otherVerdicts:
            // One that leads elsewhere, and one that nobody wants.
            table.chains["remember-7"] = Chain("remember-7", rules: [[.drop]])
            for (seconds, chain) in [(60, 10_800), (7, 7)] { lead(&table, seconds, to: chain) }
        case .otherVerdictForm:
            table.sets["timeouts"]?.declaration.data = [.chain(prefix: "elder-")]
            for seconds in [60, 10_800] {
                table.chains["elder-\(seconds)"] = table.chains.removeValue(forKey: "remember-\(seconds)")
            }
        }
    }

    private func lead(_ table: inout SimulatedTable, _ seconds: Int, to chain: Int) {
        var (key, data) = (KeyBuilder(), KeyBuilder())
        key.append(priority: UInt32(seconds))
        data.append(priority: UInt32(chain))
        table.sets["timeouts"]?.elements[key.key] = Element(key.key, data: data.key)
    }

    private func drop(_ table: inout SimulatedTable, _ set: String) {
        for name in table.chains.keys {
            table.chains[name]?.rules.removeAll { $0.contains { $0.set == set } }
        }
    }
}

extension Statement {
    /// The set that the statement looks into.
    fileprivate var set: String? {
        switch self {
        case .lookup(_, let set, _), .destinationNAT(_, let set), .setPriority(_, let set), .dispatch(_, let set),
            .update(_, let set, _, _):
            set
        default: nil
        }
    }
}

@Suite("An upgrade changes what changed")
struct UpgradeTests {
    private static let objects: [ClusterObject] = (1...40).flatMap { number -> [ClusterObject] in
        var objects = [
            Objects.service("s\(number)", clusterIP: number),
            Objects.slice("s\(number)", [number, number + 1, number + 2], node: number % 2 == 0 ? "here" : "there"),
        ]
        if number % 3 == 0, case .service(var service) = objects[0] {
            service.sessionAffinity = .clientIP(timeoutSeconds: 60)
            objects[0] = .service(service)
        }
        return objects
    }

    /// What a client of the first pool with affinity is remembered by.
    private func remember(_ kernel: SimulatedKernel) throws -> ElementKey {
        let (frontend, pool) = try #require(kernel.ruleset.elements(.ipv4, "sticky").min { $0.key < $1.key })
        var slot = frontend
        slot[12] = 0
        let endpoint = try #require(kernel.ruleset.elements(.ipv4, "endpoints")[slot]?.data)
        var key = KeyBuilder()
        key.append(Scene.address(.ipv4, 7, 7))
        key.append(.tcp)
        key.append(priority: UInt32(bigEndian: try #require(pool.data)[0]))
        kernel.edit { $0[.ipv4].sets["affinity"]?.elements[key.key] = Element(key.key, data: endpoint) }
        return key.key
    }

    /// Whatever rules look into has all that is wanted, and is of the kind that they take it for.
    private func gaps(_ found: SimulatedTable, _ wanted: SimulatedTable) -> [String] {
        let used = Set(found.chains.values.flatMap(\.rules).joined().compactMap(\.set))
        return used.sorted().filter { name in
            let own = wanted.sets.keys.first { name == $0 || SetDeclaration.interimNames(of: $0).contains(name) }
            guard let set = found.sets[name], let own, let expected = wanted.sets[own] else {
                return found.sets[name] == nil
            }
            let isReadable = set.declaration.hasElements(of: expected.declaration) && !set.declaration.isDynamic
            guard isReadable else { return false }
            return !Set(set.elements.keys).isSuperset(of: expected.elements.keys)
        }
    }

    @Test(
        "tables of another version become today's step by step: no table goes, and whatever rules look into is whole",
        arguments: Elder.allCases, [Int.max, 250, 60])
    func upgrade(_ elder: Elder, _ capacity: Int) throws {
        let first = try Bench(synchronized: Self.objects)
        let client = try remember(first.kernel)
        let clean = first.kernel.ruleset
        first.kernel.edit { elder.apply(to: &$0[.ipv4]) }
        first.kernel.elementCapacity = capacity
        first.kernel.forgetCommits()
        let second = Bench(first.kernel)
        second.reconciler.load(Self.objects.map { .applied($0) })
        var states: [SimulatedRuleset] = []
        first.kernel.beforeCommit = { kernel throws(SimulatedRefusal) in states.append(kernel.ruleset) }
        let report = try second.reconciler.synchronize()
        states.append(first.kernel.ruleset)
        #expect((report.transactions == 0) == (elder == .comments))
        for state in states {
            #expect(gaps(state[.ipv4], clean[.ipv4]) == [])
            if elder != .otherMemory { #expect(state.elements(.ipv4, "affinity")[client] != nil) }
        }
        for transaction in first.kernel.commits {
            #expect(!transaction.steps.contains { if case .deleteTable = $0.operation { true } else { false } })
            // One Service may take more than that.
            if capacity == 60 { #expect(transaction.elementCount <= 90) }
        }
        #expect(second.differences().filter { $0 != "affinity" && (elder != .comments || $0 != "chains") } == [])
        #expect(first.kernel.ruleset.elements(.ipv4, "sticky") == clean.elements(.ipv4, "sticky"))
        first.kernel.beforeCommit = { _ in }
        #expect(try second.reconciler.synchronize().transactions == 0)
        #expect(try second.plan().isEmpty)
    }

    @Test("a process that is killed at any step of an upgrade leaves what the next one can go on with")
    func killed() throws {
        for elder in Elder.allCases where elder != .comments {
            var step = 0
            var isDone = false
            while !isDone {
                let first = try Bench(synchronized: Self.objects)
                let client = try remember(first.kernel)
                let clean = first.kernel.ruleset
                first.kernel.edit { elder.apply(to: &$0[.ipv4]) }
                first.kernel.elementCapacity = 250
                var left = step
                first.kernel.beforeCommit = { _ throws(SimulatedRefusal) in
                    left -= 1
                    if left < 0 { throw .injected }
                }
                let second = Bench(first.kernel)
                second.reconciler.load(Self.objects.map { .applied($0) })
                isDone = (try? second.reconciler.synchronize()) != nil
                first.kernel.beforeCommit = { _ in }
                let third = Bench(first.kernel)
                third.reconciler.load(Self.objects.map { .applied($0) })
                _ = try third.reconciler.synchronize()
                #expect(third.differences().filter { $0 != "affinity" } == [], "\(elder), killed at \(step)")
                #expect(first.kernel.ruleset.elements(.ipv4, "sticky") == clean.elements(.ipv4, "sticky"))
                if elder != .otherMemory { #expect(first.kernel.ruleset.elements(.ipv4, "affinity")[client] != nil) }
                step += 1
            }
            #expect(step > 1)
        }
    }

    @Test(
        "what the tables have of Services that are invalid, or are not known yet, outlives an upgrade",
        arguments: [Elder.otherForm, .withoutAddresses, .fewerAddresses])
    func retained(_ elder: Elder) throws {
        for isUnknown in [true, false] {
            let first = try Bench(synchronized: Self.objects)
            let clean = first.kernel.ruleset
            first.kernel.edit { elder.apply(to: &$0[.ipv4]) }
            let second = Bench(first.kernel)
            let known = Self.objects.filter { $0.id.key.name != "s1" && $0.id.key.name != "s1-1" }
            second.reconciler.load(known.map { .applied($0) })
            second.reconciler.knowsAllObjects = !isUnknown
            if !isUnknown { _ = second.reconciler.hold([Scene.key("s1")]) }
            _ = try second.reconciler.synchronize()
            for (name, set) in clean[.ipv4].sets {
                #expect(first.kernel.ruleset.elements(.ipv4, name) == set.elements, "\(name)")
                #expect(first.kernel.ruleset[.ipv4].sets[name]?.declaration.hasForm(of: set.declaration) == true)
            }
            #expect(Set(first.kernel.ruleset[.ipv4].sets.keys) == Set(clean[.ipv4].sets.keys))
        }
    }
}
