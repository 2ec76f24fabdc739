import DataplaneTestKit
import KubernetesModel
import Netfilter
import Reconciliation
import ServiceDataplane
import Testing

@Suite("When what failed is tried again")
struct RetryPaceTests {
    @Test("waits double from half a second to half a minute, and a success ends them")
    func waits() {
        var pace = RetryPace()
        var now = ContinuousClock.now
        #expect(pace.isDue(at: now))
        var waits: [Duration] = []
        for _ in 0..<8 {
            waits.append(pace.delay)
            pace.failed(at: now)
            #expect(!pace.isDue(at: now) && !pace.isDue(at: now + waits[waits.count - 1] - .milliseconds(1)))
            now += waits[waits.count - 1]
            #expect(pace.isDue(at: now))
        }
        #expect(waits == [0.5, 1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
        pace.succeeded()
        #expect(pace.isDue(at: now) && pace.delay == .milliseconds(500))
        for _ in 0..<4 { pace.failed(at: now, longest: .seconds(1)) }
        #expect(pace.delay == .seconds(1))
    }

    @Test("while commits fail, updates wait for the next try: the tables are not read for each")
    func storm() throws {
        let kernel = FaultyKernel(SimulatedKernel())
        var reads = 0
        kernel.before = { call in
            if call == .observe { reads += 1 }
            return call == .commit ? .injected : nil
        }
        let reconciler = Reconciler(kernel: kernel, desired: Bench.desired())
        var pace = RetryPace()
        let start = ContinuousClock.now
        var tries = 0
        func attempt(at now: RetryPace.Instant, _ body: () throws -> Void) {
            tries += 1
            do {
                try body()
                pace.succeeded()
            } catch { pace.failed(at: now) }
        }
        // A minute with ten updates a second.
        for tick in 0..<600 {
            let now = start + .milliseconds(100 * tick)
            let change = ClusterChange.applied(Objects.service("s\(tick)", clusterIP: tick + 1))
            if !reconciler.postpone([change], at: now, pace: pace) {
                attempt(at: now) { _ = try reconciler.apply([change]) }
            }
        }
        // At 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 seconds.
        #expect(tries == 7 && reads == 7)
        kernel.before = { _ in nil }
        #expect(try reconciler.verify() != nil)
        #expect(reconciler.desired.serviceCount == 600)
        pace.succeeded()
        #expect(!reconciler.postpone([], at: start, pace: pace))
    }
}
