import FairleadTestKit
import Foundation
import NodeAgent
import Testing

@Suite("Signals that end the daemon")
struct StopSignalsTests {
    @Test("a signal that comes at once is not lost, and each of the two is known by its name")
    func immediateSignal() async throws {
        let stop = StopSignals()
        // Afterwards a test run is to end at these signals again.
        defer { for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) } }
        kill(getpid(), SIGTERM)
        #expect(try await first(stop) == "SIGTERM")
        kill(getpid(), SIGINT)
        #expect(try await first(stop) == "SIGINT")
    }

    /// The next signal that arrives, or nothing after ten seconds.
    private func first(_ stop: StopSignals) async throws -> String? {
        try await withThrowingTaskGroup(of: String?.self) { group in
            let received = stop.received
            group.addTask { await received.first { _ in true } }
            group.addTask {
                try await Task.sleep(for: .seconds(10))
                return nil
            }
            let name = try await group.next() ?? nil
            group.cancelAll()
            return name
        }
    }
}
