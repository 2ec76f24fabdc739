import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Testing

@Suite("Looks at remembered clients")
struct ClientLookTests {
    /// A Service with affinity and endpoints of both families; what packets have the maps remember is up to the tests.
    private struct World {
        let kernel = SimulatedKernel()
        let faults: FaultyKernel<SimulatedKernel>
        let reconciler: Reconciler<FaultyKernel<SimulatedKernel>>
        let family: IPFamily

        init(_ family: IPFamily, endpoints: [Int]) throws {
            self.family = family
            faults = FaultyKernel(kernel)
            reconciler = Reconciler(kernel: faults, desired: Bench.desired())
            guard case .service(var service) = Objects.service("a") else { fatalError("a Service is a Service") }
            service.sessionAffinity = .clientIP(timeoutSeconds: 60)
            reconciler.load([.applied(.service(service))] + slices(endpoints))
            _ = try reconciler.synchronize()
            #expect(reconciler.takeStaleClients())
            #expect(!reconciler.takeStaleClients())
        }

        private func slices(_ numbers: [Int]) -> [ClusterChange] {
            Scene.families.map { family in
                var slice = EndpointSlice(
                    key: Scene.key("a-\(family.nftName)"), serviceName: "a", addressFamily: family)
                slice.ports = [EndpointPort(port: 8080)]
                slice.endpoints = numbers.map { Endpoint(address: Scene.address(family, 1, $0), nodeName: "there") }
                return .applied(.endpointSlice(slice))
            }
        }

        @discardableResult
        func change(to endpoints: [Int]) throws -> SyncReport { try reconciler.apply(slices(endpoints)) }

        /// The number of the Service's pool.
        private var pool: UInt32 {
            let elements = kernel.ruleset.elements(family, "sticky").values
            return elements.first?.data.map { $0[0] } ?? 0
        }

        func key(_ client: UInt32) -> ElementKey {
            var key = ElementKey()
            key[0] = client
            key[family == .ipv4 ? 4 : 8] = 6 << 24
            key[family == .ipv4 ? 8 : 12] = pool
            return key
        }

        /// What packets would write.
        func remember(_ client: UInt32, _ endpoint: Int, address: Bool = true, _ withPort: Bool = true) {
            remember(client, endpoint, address: address, withPort, in: kernel)
        }

        func remember(
            _ client: UInt32, _ endpoint: Int, address: Bool = true, _ withPort: Bool = true,
            in kernel: SimulatedKernel
        ) {
            let port: UInt32 = 8080
            let bytes = Scene.address(family, 1, endpoint)
            var data = ElementKey()
            var second = ElementKey()
            second[0] = port << 16
            switch bytes {
            case .v4(let value):
                data[0] = value.rawValue
                data[4] = port << 16
            case .v6(let value):
                data[0] = UInt32(truncatingIfNeeded: value.high >> 32)
                data[4] = UInt32(truncatingIfNeeded: value.high)
                data[8] = UInt32(truncatingIfNeeded: value.low >> 32)
                data[12] = UInt32(truncatingIfNeeded: value.low)
            }
            if address { kernel.remember(Element(key(client), data: data), in: "affinity", family) }
            if withPort, family == .ipv6 {
                kernel.remember(Element(key(client), data: second), in: "affinity-port", family)
            }
        }

        /// The clients of which the map, or any of both, knows something.
        var clients: Set<UInt32> {
            let sets = family == .ipv6 ? ["affinity", "affinity-port"] : ["affinity"]
            return Set(sets.flatMap { kernel.ruleset.elements(family, $0).keys.map { $0[0] } })
        }

        func forget(looks: Int = 1, pause: () -> Void = {}) throws -> ClientVerdicts {
            try reconciler.forgetStaleClients(looks: looks, pause: pause)
        }
    }

    @Test("those of an endpoint that has gone are forgotten, all others stay", arguments: IPFamily.allCases)
    func simple(_ family: IPFamily) throws {
        let world = try World(family, endpoints: [1, 2])
        for client in 1...600 { world.remember(UInt32(client), client % 2 + 1) }
        try world.change(to: [2])
        #expect(world.reconciler.takeStaleClients())
        #expect(try world.forget().forgotten == [family: 300])
        let odd = Set(stride(from: UInt32(1), to: 600, by: 2))
        #expect(world.clients == odd)
        // Own commits: nobody has to look at the tables for them.
        #expect(try world.reconciler.verify() == nil)
        #expect(try world.forget().isClean)
    }

    @Test("a client that a packet has sent elsewhere since the dump keeps its endpoint", arguments: IPFamily.allCases)
    func verifiedByKey(_ family: IPFamily) throws {
        let world = try World(family, endpoints: [1, 2])
        for client in 1...10 { world.remember(UInt32(client), 1) }
        try world.change(to: [2])
        // Its time was up, and it came again, after the maps were dumped.
        world.kernel.afterDump = { kernel in world.remember(3, 2, in: kernel) }
        #expect(try world.forget().forgotten == [family: 9])
        #expect(world.clients == [3])
    }

    @Test("two dumps that are not of one moment cost no client its endpoint, and leave none that is dead")
    func twoMoments() throws {
        let world = try World(.ipv6, endpoints: [1, 2])
        for client in 1...10 { world.remember(UInt32(client), client <= 5 ? 1 : 2) }
        try world.change(to: [2])
        // Between the dumps of the two maps, a healthy client came for the first time, and the time of another one was up: in one map
        // only, as far as the dumps go. The dead ones are told by the first map alone.
        var dumps = 0
        world.kernel.afterDump = { kernel in
            dumps += 1
            guard dumps % 2 == 1 else { return }
            world.remember(100, 2, in: kernel)
            for set in ["affinity", "affinity-port"] { kernel.expire(world.key(10), in: set, .ipv6) }
        }
        let verdicts = try world.forget(looks: 1)
        #expect(verdicts.forgotten == [.ipv6: 5])
        #expect(verdicts.halves == [])
        #expect(world.clients == [6, 7, 8, 9, 100])
    }

    @Test("half of what two maps know is left alone once, for a packet may write the other half, and goes if it stays")
    func halves() throws {
        let world = try World(.ipv6, endpoints: [1, 2])
        try world.change(to: [2])
        // The address first: so the rules write them.
        world.remember(1, 2, false)
        world.remember(2, 2, address: false)
        // What fits nothing is nobody's half.
        world.remember(3, 1, false)
        let first = try world.forget()
        #expect(first.forgotten == [.ipv6: 1])
        #expect(first.halves == [world.key(1), world.key(2)])
        #expect(world.clients == [1, 2])
        let second = try world.forget(looks: 2) { world.remember(1, 2) }
        #expect(second.forgotten == [.ipv6: 1])
        #expect(world.clients == [1])
        #expect(second.isUnfinished == false)
    }

    @Test("a client whose entry changes while it is read is left to the next look")
    func changing() throws {
        let world = try World(.ipv6, endpoints: [1, 2])
        world.remember(1, 1)
        try world.change(to: [2])
        var isFirst = true
        world.kernel.afterReadingByKey = { kernel in
            // Behind the first of the three readings.
            if isFirst { world.remember(1, 2, in: kernel) }
            isFirst = false
        }
        let verdicts = try world.forget()
        #expect(verdicts.forgotten == [:])
        #expect(verdicts.undecided == 1)
        #expect(world.clients == [1])
    }

    @Test("suspects of an earlier state are judged by what is wanted now", arguments: IPFamily.allCases)
    func comesBack(_ family: IPFamily) throws {
        let world = try World(family, endpoints: [1, 2])
        for client in 1...10 { world.remember(UInt32(client), 1) }
        try world.change(to: [2])
        let look = try #require(world.reconciler.clientLook())
        let suspects = try look.suspects(in: world.kernel)
        #expect(suspects.map(\.keys.count) == [10])
        // The endpoint comes back before the dump has been worked through.
        try world.change(to: [1, 2])
        for suspects in suspects { #expect(try world.reconciler.forget(suspects, halves: []).isClean) }
        #expect(world.clients.count == 10)
    }

    @Test("looks go on until one finds nothing", arguments: IPFamily.allCases)
    func untilNothing(_ family: IPFamily) throws {
        let world = try World(family, endpoints: [1, 2])
        world.remember(1, 1)
        try world.change(to: [2])
        // Packets that were on their way through the old rules.
        var late: [UInt32] = [2, 3]
        let verdicts = try world.forget(looks: 5) { if let client = late.popLast() { world.remember(client, 1) } }
        #expect(verdicts.forgotten == [family: 3])
        #expect(!verdicts.isUnfinished)
        #expect(world.clients == [])
    }

    @Test("somebody's commit between the reading and the removal has them read again", arguments: IPFamily.allCases)
    func commitBetween(_ family: IPFamily) throws {
        let world = try World(family, endpoints: [1, 2])
        world.remember(1, 1)
        world.remember(2, 1)
        try world.change(to: [2])
        var left = 1
        world.kernel.afterReadingByKey = { kernel in
            guard left > 0 else { return }
            left -= 1
            kernel.commitElsewhere()
        }
        #expect(try world.forget().forgotten == [family: 2])
        #expect(world.clients == [])
        // It is to be noticed.
        #expect(try world.reconciler.verify() != nil)
        // One who commits all the time puts it off, and no more.
        world.remember(3, 1)
        world.kernel.afterReadingByKey = { $0.commitElsewhere() }
        let verdicts = try world.forget()
        #expect(verdicts.forgotten == [:])
        #expect(verdicts.isUnfinished)
        world.kernel.afterReadingByKey = { _ in }
        #expect(try world.forget().forgotten == [family: 1])
    }

    @Test("a look that fails does not fail the synchronization that is committed already", arguments: IPFamily.allCases)
    func failure(_ family: IPFamily) throws {
        let world = try World(family, endpoints: [1, 2])
        world.remember(1, 1)
        world.faults.before = { [.elements, .discard].contains($0) ? .injected : nil }
        let report = try world.change(to: [2])
        #expect(report.transactions == 1)
        #expect(world.reconciler.isSynchronized)
        _ = try world.reconciler.synchronize()
        #expect(world.reconciler.isSynchronized)
        #expect(throws: SimulatedRefusal.injected) { try world.forget() }
        #expect(world.reconciler.isSynchronized)
        world.faults.before = { _ in nil }
        #expect(try world.forget().forgotten == [family: 1])
    }

    @Test("while the kernel does not hold what is wanted nobody is judged by it")
    func notSynchronized() throws {
        let world = try World(.ipv4, endpoints: [1, 2])
        world.remember(1, 1)
        let suspects = ClientLook.Suspects(family: .ipv4, keys: [world.key(1)])
        world.faults.before = { $0 == .commit ? .injected : nil }
        #expect(throws: SimulatedRefusal.injected) { try world.change(to: [2]) }
        #expect(world.reconciler.clientLook() == nil)
        #expect(try world.reconciler.forget(suspects, halves: []).undecided == 1)
        #expect(world.clients == [1])
    }
}

@Suite("The pace of looks")
struct LookPaceTests {
    private let start = ContinuousClock.now

    private func look(_ pace: inout LookPace, at seconds: Int, isClean: Bool, taking duration: Duration = .zero) {
        let from = start + .seconds(seconds)
        pace.looked(isClean: isClean, from: from, to: from + duration)
    }

    @Test("one at once, one a second later, and more until one finds nothing")
    func second() {
        var pace = LookPace()
        #expect(!pace.isDue(at: start))
        pace.begin(at: start)
        #expect(pace.isDue(at: start))
        look(&pace, at: 0, isClean: true)
        #expect(!pace.isDue(at: start + .milliseconds(900)))
        #expect(pace.isDue(at: start + .seconds(1)))
        look(&pace, at: 1, isClean: false)
        #expect(pace.isDue(at: start + .seconds(2)))
        look(&pace, at: 2, isClean: true)
        #expect(!pace.isDue(at: start + .seconds(3600)))
    }

    @Test("whoever goes on to find something looks more rarely, but does not give up")
    func contested() {
        var pace = LookPace()
        pace.begin(at: start)
        for second in 0..<5 { look(&pace, at: second, isClean: false) }
        #expect(pace.isContested)
        #expect(!pace.isDue(at: start + .seconds(33)))
        #expect(pace.isDue(at: start + .seconds(34)))
        look(&pace, at: 34, isClean: true)
        #expect(!pace.isContested)
        #expect(!pace.isDue(at: start + .seconds(3600)))
    }

    @Test("a failure is tried again, later each time, and is told of when it lasts")
    func failures() {
        var pace = LookPace()
        pace.begin(at: start)
        var delays: [Int64] = []
        for second in 0..<7 { delays.append(pace.failed(at: start + .seconds(second)).components.seconds) }
        #expect(delays == [1, 2, 4, 8, 16, 30, 30])
        #expect(pace.isFailing)
        #expect(pace.isDue(at: start + .seconds(36)))
        look(&pace, at: 36, isClean: true)
        #expect(!pace.isFailing)
    }

    @Test("looks that take long leave as much time between them")
    func duty() {
        var pace = LookPace()
        pace.begin(at: start)
        look(&pace, at: 0, isClean: true, taking: .seconds(4))
        pace.begin(at: start + .seconds(5))
        #expect(!pace.isDue(at: start + .seconds(7)))
        #expect(pace.isDue(at: start + .seconds(8)))
    }
}
