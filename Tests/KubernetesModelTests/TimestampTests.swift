import DataplaneTestKit
import KubernetesModel
import NetworkTypes
import Testing

@Suite("Timestamp")
struct TimestampTests {
    @Test(
        "times are nanoseconds since 1970, whatever their offset and the number of their decimals",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.000000001Z", 1),
            ("1969-12-31T23:59:59Z", -1_000_000_000),
            ("2026-11-21T09:05:00Z", 1_795_251_900_000_000_000),
            ("2026-11-21T09:05:00.5Z", 1_795_251_900_500_000_000),
            ("2026-11-21T09:05:00.123456789Z", 1_795_251_900_123_456_789),
            ("2026-11-21T09:05:00.1234567891234Z", 1_795_251_900_123_456_789),
            ("2026-11-21T10:35:00+01:30", 1_795_251_900_000_000_000),
            ("2026-11-20T23:05:00-10:00", 1_795_251_900_000_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000_000), ("2100-03-01T00:00:00Z", 4_107_542_400_000_000_000),
            ("1678-01-01T00:00:00Z", -9_214_560_000_000_000_000), ("2261-12-31T23:59:59Z", 9_214_646_399_000_000_000),
        ] as [(String, Int64)])
    func times(_ text: String, _ expected: Int64) { #expect(Timestamp.nanoseconds(text.utf8) == expected) }

    @Test(
        "what is no time is nothing",
        arguments: [
            "", "now", "2026-11-21", "2026-11-21T09:05:00", "2026-11-21T09:05:00.Z", "2026-11-21 09:05:00Z",
            "2026-11-21t09:05:00Z", "2026-11-21T09:05:00z", "2026-13-21T09:05:00Z", "2026-00-21T09:05:00Z",
            "2026-02-29T09:05:00Z", "2100-02-29T00:00:00Z", "2026-04-31T09:05:00Z", "2026-11-00T09:05:00Z",
            "2026-11-21T24:00:00Z", "2026-11-21T09:60:00Z", "2026-11-21T09:05:60Z", "2026-11-21T09:05:00+0100",
            "2026-11-21T09:05:00+24:00", "2026-11-21T09:05:00+01:60", "2026-11-21T09:05:00Z ", "26-11-21T09:05:00Z",
            "+026-11-21T09:05:00Z", "2026-11-21T9:05:00Z", "2026-11-21T09:05:0٠Z", "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z", "1677-01-01T00:00:00Z",
        ])
    func nonsense(_ text: String) { #expect(Timestamp.nanoseconds(text.utf8) == nil) }

    @Test(
        "moments are written in UTC and whole seconds, as the API does, so that their texts sort by time",
        arguments: [
            ("2026-11-21T09:05:00Z", "2026-11-21T09:05:00Z"), ("2026-11-21T10:35:00+01:30", "2026-11-21T09:05:00Z"),
            ("2026-11-20T23:05:00-10:00", "2026-11-21T09:05:00Z"), ("2026-11-21T09:05:00.999Z", "2026-11-21T09:05:00Z"),
            ("1970-01-01T00:00:00+00:01", "1969-12-31T23:59:00Z"),
            ("2000-02-29T23:59:59-00:01", "2000-03-01T00:00:59Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), ("0001-01-01T00:00:00+01:00", nil),
            ("0000-12-31T23:59:59Z", nil), ("9999-12-31T23:59:59-01:00", nil),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("", nil), ("yesterday", nil), ("2026-11-21", nil), ("2026-11-21t09:05:00Z", nil),
            ("2026-02-29T09:05:00Z", nil),
        ] as [(String, String?)])
    func canonical(_ text: String, _ expected: String?) { #expect(Timestamp.canonical(text) == expected) }

    @Test("every day of four centuries follows the one before")
    func days() {
        var expected: Int64 = -9_214_560_000  // 1678-01-01
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        for year in 1678...2261 {
            for month in 1...12 {
                let isLeap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year == 2000)
                for day in 1...(lengths[month - 1] + (isLeap ? 1 : 0)) {
                    let text = "\(year)-\(padded(month))-\(padded(day))T00:00:00Z"
                    guard Timestamp.nanoseconds(text.utf8) == expected * 1_000_000_000 else {
                        Issue.record("\(text)")
                        return
                    }
                    expected += 86_400
                }
            }
        }
    }

    @Test("bytes by chance never trap")
    func chance() {
        var random = SeededGenerator(seed: 1)
        let alphabet = Array("0123456789-:.TZ+".utf8)
        for _ in 0..<20_000 {
            var text = Array("2026-11-21T09:05:00.25+01:00".utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<text.count, using: &random)
                if random.oneIn(4) {
                    text.remove(at: index)
                } else {
                    text[index] = alphabet.randomElement(using: &random) ?? 0
                }
            }
            _ = Timestamp.nanoseconds(text)
        }
    }
}

@Suite("Triggers of changes of EndpointSlices")
struct TriggerTests {
    private func slice(_ name: String, time: Int64?, port: UInt16 = 80, of service: String = "web") -> ClusterChange {
        let key = ObjectKey(namespace: "default", name: name)
        var slice = EndpointSlice(key: key, serviceName: service)
        slice.ports = [EndpointPort(port: port)]
        slice.lastChangeTriggerTime = time
        return .applied(.endpointSlice(slice))
    }

    private func state(after start: Int64 = 100) -> ClusterState {
        var state = ClusterState()
        state.countTriggers(after: start)
        _ = state.apply([.applied(.service(Service(key: ObjectKey(namespace: "default", name: "web"))))])
        return state
    }

    @Test("each change of a slice counts its trigger once, those from before the start do not count")
    func changes() {
        var state = state()
        _ = state.apply([slice("a", time: 100), slice("b", time: nil)])
        #expect(state.takeTriggers() == [])
        _ = state.apply([slice("a", time: 200, port: 81), slice("a", time: 300, port: 82), slice("c", time: 101)])
        #expect(state.takeTriggers().map(\.time).sorted() == [101, 200, 300])
        #expect(state.takeTriggers() == [])
    }

    @Test("another trigger alone is no change")
    func annotationAlone() {
        var state = state()
        _ = state.apply([slice("a", time: 100)])
        #expect(state.apply([slice("a", time: 200)]).isEmpty)
        #expect(state.apply([slice("a", time: nil)]).isEmpty)
        #expect(state.takeTriggers() == [])
        #expect(state.slices(of: ObjectKey(namespace: "default", name: "web")).map(\.lastChangeTriggerTime) == [nil])
    }

    @Test("when a slice goes, no change of its Service that waits counts")
    func removal() {
        var state = state()
        _ = state.apply([slice("a", time: 200), slice("b", time: 201), slice("o", time: 202, of: "other")])
        _ = state.apply([.deleted(ObjectID(kind: .endpointSlice, key: ObjectKey(namespace: "default", name: "a")))])
        #expect(state.takeTriggers() == [EndpointTrigger(family: .ipv4, time: 202)])
        _ = state.apply([slice("b", time: 300, port: 81)])
        #expect(state.takeTriggers() == [EndpointTrigger(family: .ipv4, time: 300)])
    }

    @Test("slices that no proxy looks at do not count: headless ones, names instead of addresses, another proxy's")
    func ignored() {
        var state = state()
        for index in 0..<3 {
            var slice = EndpointSlice(key: ObjectKey(namespace: "default", name: "s"), serviceName: "web")
            slice.lastChangeTriggerTime = 200
            if index == 0 { slice.isHeadless = true }
            if index == 1 { slice.addressFamily = nil }
            if index == 2 {
                var service = Service(key: ObjectKey(namespace: "default", name: "web"))
                service.serviceProxyName = "other"
                _ = state.apply([.applied(.service(service))])
            }
            _ = state.apply([.applied(.endpointSlice(slice))])
            #expect(state.takeTriggers() == [])
        }
    }

    @Test("nothing piles up while nobody takes them, and nothing is kept where nobody counts")
    func limits() {
        var state = state()
        for number in 0..<3000 { _ = state.apply([slice("a", time: 200, port: UInt16(number + 1))]) }
        #expect(state.takeTriggers().count == 1000)
        var idle = ClusterState()
        _ = idle.apply([slice("a", time: 200)])
        #expect(idle.takeTriggers() == [])
    }
}
