import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

/// What is not guessed exactly still is read, by more requests or a dump: only these tests tell.
@Suite("Guesses at the elements of an earlier process")
struct LikelyElementsTests {
    /// Two Services with a node port each: one with the endpoints 1...count, one with a single endpoint, and in each slice one
    /// that is not ready.
    private static func desired(endpoints count: Int) -> DesiredState {
        let objects = [(1, count), (2, 1)].flatMap { number, count -> [ClusterObject] in
            guard case .service(var service) = Objects.service("s\(number)", clusterIP: number),
                case .endpointSlice(var slice) = Objects.slice("s\(number)", 1...count + 1, node: "here")
            else { return [] }
            service.type = .nodePort
            service.ports[0].nodePort = UInt16(30_000 + number)
            slice.endpoints[count].isReady = false
            return [.service(service), .endpointSlice(slice)]
        }
        var desired = Bench.desired()
        _ = desired.load(objects.map { .applied($0) })
        return desired
    }

    /// The keys that the set has, and those that a round guesses when all sets but the large ones have been read.
    private static func keys(
        _ set: SetID, _ desired: DesiredState, round: Int = 0
    ) throws -> (real: Set<ElementKey>, guessed: Set<ElementKey>) {
        let (real, guessed) = try lists(set, desired, round: round)
        return (Set(real), Set(guessed))
    }

    private static func lists(
        _ set: SetID, _ desired: DesiredState, round: Int = 0
    ) throws -> (real: [ElementKey], guessed: [ElementKey]) {
        var computed = desired
        let state = try #require(computed.tables().first { $0.schema.family == .ipv4 })
        let declaration = try #require(state.schema.sets.first { $0.id == set })
        var table = ObservedTable()
        for (id, elements) in state.elements where !desired.guesses(in: desired.cluster.byAge).sets.contains(id) {
            table.elements[id] = ObservedElements(
                Dictionary(uniqueKeysWithValues: elements.map { ($0.key, ObservedElement(of: $0)) }))
        }
        var runs = KeyRuns(keyBytes: declaration.key.width(.ipv4))
        desired.guesses(in: desired.cluster.byAge).guess(.ipv4, set, round, table, &runs)
        return (state.elements[set, default: []].map(\.key), (0..<runs.count).map { runs[$0] })
    }

    @Test("The slots of ready endpoints are guessed, and no other", arguments: [1, 2, 3, 5, 9, 16, 17, 40])
    func slots(count: Int) throws {
        for kind in [PoolKind.services, .nodePorts] {
            let (real, guessed) = try Self.keys(kind.slots, Self.desired(endpoints: count))
            #expect(real.count == count + 1)
            #expect(guessed == real)
        }
    }

    @Test("The second round guesses all slots of the size class", arguments: [5, 9, 17])
    func allSlots(count: Int) throws {
        let (real, guessed) = try Self.keys(PoolKind.services.slots, Self.desired(endpoints: count), round: 1)
        #expect(guessed.isStrictSuperset(of: real))
    }

    @Test("Endpoints, ready or not, hairpins and addresses are guessed from the objects")
    func endpoints() throws {
        for set in [SetID.backends, .hairpin, .clusterIPs, .frontendAddresses] {
            let (real, guessed) = try Self.keys(set, Self.desired(endpoints: 9))
            #expect(!real.isEmpty)
            #expect(guessed.isSuperset(of: real))
            #expect(guessed.count <= real.count + 2)
        }
    }

    @Test("Guesses come in the order in which a plan asks for elements")
    func order() throws {
        var desired = Bench.desired()
        for number in 1...20 {
            guard case .service(var service) = Objects.service("s\(number)", clusterIP: number),
                case .endpointSlice(var slice) = Objects.slice("s\(number)", 1...number, node: "here")
            else { continue }
            service.type = .nodePort
            service.ports[0].nodePort = UInt16(30_000 + number)
            // Neither the order of names nor that of arrival.
            service.creationTimestamp = "2026-11-\(10 + number * 7 % 20)T00:00:00Z"
            for index in slice.endpoints.indices {
                slice.endpoints[index].address = .v4(IPv4Address(rawValue: UInt32(10 << 24 | number << 8 | index)))
            }
            slice.endpoints.reverse()
            _ = desired.load([.applied(.service(service)), .applied(.endpointSlice(slice))])
        }
        let sets = desired.guesses(in: desired.cluster.byAge).sets
        for set in sets {
            let (real, guessed) = try Self.lists(set, desired)
            let isInOrder = guessed.filter(Set(real).contains) == real
            #expect(isInOrder, "\(set)")
        }
        #expect(sets.count > 5)
    }
}
