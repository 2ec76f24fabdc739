import KubernetesModel
import NetworkTypes
import Telemetry
import Testing

@Suite("The last hour") struct HistoryTests {
    private static func moment(_ seconds: Double) -> Moment {
        Moment(microseconds: 1_800_000_000_000_000 + Int64(seconds * 1e6), uptime: .microseconds(Int64(seconds * 1e6)))
    }

    /// A reading whose counters have grown by so much since one made some seconds earlier.
    private static func reading(_ counts: [(ServiceCounter.Event, UInt64)], from: Double, to: Double) -> CounterReading
    {
        func counters(_ share: UInt64) -> [ServiceCounter] {
            counts.enumerated().map { index, count in
                ServiceCounter(
                    count.0, service: ObjectKey(namespace: "a", name: "b"), port: "", frontend: "\(index)",
                    packets: 1000 + count.1 * share)
            }
        }
        var reading = CounterReading(time: moment(to), cost: .zero, counters: counters(1))
        reading.compare(with: CounterReading(time: moment(from), cost: .zero, counters: counters(0)))
        return reading
    }

    private static func report(_ history: History, at seconds: Double) -> History.Report {
        history.report(at: moment(seconds), countsConnections: true, countsTraffic: true)
    }

    @Test("what counters grew by is spread over the time between two readings")
    func growth() throws {
        var history = History()
        let counts: [(ServiceCounter.Event, UInt64)] = [
            (.connection, 40), (.rejected, 20), (.dropped, 60), (.bytesIn, 4000), (.bytesOut, 400), (.packetsIn, 7),
        ]
        history.counted(try #require(History.Growth(of: Self.reading(counts, from: 25, to: 65))))
        let report = Self.report(history, at: 100)
        #expect(report.connectionRate == [1, 1, 1, nil])
        #expect(report.refusedRate == [2, 2, 2, nil])
        #expect(report.trafficRate == [110, 110, 110, nil])
        #expect(report.commits == [0, 0, 0, 0] && report.slowestCommitSeconds == [nil, nil, nil, nil])
        #expect(report.stepSeconds == 30 && report.end == "2027-01-15T08:02:00Z")
        // A step with two readings has the rate of both together.
        history.counted(try #require(History.Growth(of: Self.reading([(.connection, 100)], from: 65, to: 75))))
        #expect(Self.report(history, at: 100).connectionRate == [1, 1, 105.0 / 15, nil])
    }

    @Test("what is not counted is absent, and a first reading tells nothing")
    func absent() {
        let first = CounterReading(time: Self.moment(1), cost: .zero, counters: [])
        #expect(History.Growth(of: first) == nil)
        let report = History().report(at: Self.moment(5), countsConnections: false, countsTraffic: false)
        #expect(report.connectionRate == nil && report.trafficRate == nil && report.refusedRate == [nil])
    }

    @Test("commits are counted, and the slowest of a step is kept")
    func commits() {
        var history = History()
        history.committed(.milliseconds(3), at: Self.moment(10))
        let trigger = EndpointTrigger(family: .ipv4, time: Self.moment(11).microseconds * 1000)
        history.committed(.milliseconds(5), [trigger], at: Self.moment(12.5))
        history.committed(.milliseconds(4), at: Self.moment(29))
        history.committed(.milliseconds(1), at: Self.moment(70))
        let report = Self.report(history, at: 70)
        #expect(report.commits == [3, 0, 1])
        #expect(report.slowestCommitSeconds == [0.005, nil, 0.001])
        #expect(report.slowestChangeSeconds == [1.5, nil, nil])
    }

    @Test("an hour is kept and no more, however long the program runs")
    func bounds() throws {
        var history = History()
        for step in 0..<500 { history.committed(.milliseconds(step), at: Self.moment(Double(step) * 30)) }
        var report = Self.report(history, at: 499 * 30)
        #expect(report.commits == Array(repeating: 1, count: History.capacity))
        #expect(report.slowestCommitSeconds.first == 0.38 && report.slowestCommitSeconds.last == 0.499)
        // Growth that began before the hour counts as far as it is within.
        history.counted(try #require(History.Growth(of: Self.reading([(.connection, 15000)], from: 0, to: 15000))))
        report = Self.report(history, at: 14999)
        #expect(report.connectionRate == Array(repeating: 1, count: History.capacity))
        // After a pause of a day nothing is left.
        report = Self.report(history, at: 100_000)
        #expect(report.commits == Array(repeating: 0, count: History.capacity))
    }
}
