import KubernetesModel
import Telemetry
import Testing

@Suite struct CounterLedgerTests {
    private static func counter(_ name: String, _ event: ServiceCounter.Event = .connection) -> ServiceCounter {
        ServiceCounter(
            event, service: ObjectKey(namespace: "default", name: name), port: "http", frontend: "10.96.0.1:80/tcp",
            packets: 99)
    }

    /// Takes what sets have counted for a frontend, again and again; the totals after each time.
    private func totals(_ readings: [[UInt16: UInt64]]) -> [UInt64?] {
        var ledger = CounterLedger()
        return readings.map { sets in
            ledger.take(sets.map { .init(Self.counter("web"), set: $0, packets: $1) }).first?.packets
        }
    }

    @Test("what the kernel has counted before is counted")
    func first() { #expect(totals([[1: 7], [1: 7], [1: 9]]) == [7, 7, 9]) }

    @Test("a counter goes on where the kernel's begins again")
    func reset() { #expect(totals([[1: 7], [1: 2], [1: 3], [1: 0]]) == [7, 9, 10, 10]) }

    @Test("one set that begins again, goes or comes back does not disturb the others")
    func sets() {
        #expect(totals([[1: 100, 2: 50], [1: 100, 2: 1], [1: 110], [1: 110, 2: 5]]) == [150, 151, 161, 166])
    }

    @Test("a frontend that moves to another set begins again there, however much it has counted by then")
    func moves() {
        #expect(totals([[1: 4], [2: 9], [1: 20]]) == [4, 13, 33])
        // A reading in which it is seen in both.
        #expect(totals([[1: 4], [1: 4, 2: 0], [2: 3]]) == [4, 4, 7])
    }

    @Test("a frontend that goes is forgotten, and starts again")
    func gone() { #expect(totals([[1: 7], [:], [1: 2]]) == [7, nil, 2]) }

    @Test("frontends and events are told apart, in the order of their Services")
    func several() {
        var ledger = CounterLedger()
        let readings = [("b", 1, .connection), ("a", 1, .rejected), ("a", 2, .connection)].map {
            (name: String, packets: UInt64, event: ServiceCounter.Event) in
            CounterLedger.Reading(Self.counter(name, event), set: 1, packets: packets)
        }
        let counters = ledger.take(readings)
        #expect(counters.map(\.service.name) == ["a", "a", "b"])
        #expect(counters.first { $0.event == .rejected }?.packets == 1)
        #expect(counters.first { $0.service.name == "a" && $0.event == .connection }?.packets == 2)
    }
}
