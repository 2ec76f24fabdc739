import Reconciliation
import Testing

@Suite("How soon foreign changes of the tables are repaired")
struct DriftPaceTests {
    private let start = ContinuousClock.now

    @Test("the first five repairs in a row come at once, each further one waits twice as long, a minute at the most")
    func waits() {
        var pace = DriftPace()
        var now = start
        var waits: [Int64] = []
        for _ in 0..<14 {
            #expect(pace.nextRepair(at: now) == now)
            pace.repaired(at: now)
            waits.append(pace.wait.components.seconds)
            #expect(pace.isContest == (pace.wait > .zero))
            #expect(pace.nextRepair(at: now) == now + pace.wait)
            now += pace.wait + .milliseconds(20)
        }
        #expect(waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60])
    }

    @Test("a pause ends the row, whether anybody asks meanwhile or not")
    func calm() {
        for asks in [true, false] {
            var pace = DriftPace()
            for _ in 0..<8 { pace.repaired(at: start) }
            #expect(pace.isContest && pace.wait == .seconds(4))
            let later = start + .seconds(15)
            if asks {
                var early = pace
                let isOver = early.settle(at: start + .seconds(13))
                #expect(!isOver && early.isContest)
                let ends = pace.settle(at: later)
                #expect(ends && pace.streak == 0)
                let again = pace.settle(at: later)
                #expect(!again)
            }
            pace.repaired(at: later)
            #expect(pace.streak == 1 && pace.wait == .zero && pace.nextRepair(at: later) == later)
        }
    }

    @Test("repairs half a minute apart are no contest")
    func seldom() {
        var pace = DriftPace()
        for round in 0..<100 { pace.repaired(at: start + .seconds(30 * round)) }
        #expect(!pace.isContest)
    }
}
