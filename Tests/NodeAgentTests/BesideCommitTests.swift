import Logging
import NetworkTypes
import ServiceDataplane
import Synchronization
import Testing

@testable import NodeAgent

@Suite("What goes on beside commits")
struct BesideCommitTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Something that looks have to know of.
    private static func flows(_ address: UInt32) -> StaleFlows {
        var flows = StaleFlows()
        flows.formerNodePortAddresses = [.v4(IPv4Address(rawValue: address))]
        return flows
    }

    @Test("what several commits make stale is handed over together, and once")
    func merged() {
        let mail = FlowMail()
        #expect(mail.take() == nil)
        for number: UInt32 in 1...3 {
            mail.beginCommit()
            mail.endCommit(Self.flows(number))
        }
        #expect(mail.take()?.formerNodePortAddresses.count == 3)
        #expect(mail.take() == nil)
        // A commit that makes nothing stale leaves no word.
        mail.beginCommit()
        mail.endCommit(StaleFlows())
        #expect(mail.take() == nil)
    }

    @Test("one look is asked for at a time")
    func schedule() {
        let mail = FlowMail()
        #expect([mail.schedule(), mail.schedule()] == [true, false])
        mail.unschedule()
        #expect(mail.schedule())
    }

    @Test("a look waits for the end of the commit that is under way, and learns what it made stale")
    func settle() async {
        let mail = FlowMail(patience: .seconds(60))
        #expect(mail.settle()?.saysNothing == true)
        mail.beginCommit()
        async let found = Task.detached { mail.settle()?.formerNodePortAddresses.count }.value
        try? await Task.sleep(for: .milliseconds(50))
        mail.endCommit(Self.flows(1))
        // The next one does not hold it up.
        mail.beginCommit()
        #expect(await found == 1)
    }

    @Test("a commit that does not end, or has failed, puts the look off")
    func impatient() {
        let mail = FlowMail(patience: .milliseconds(20))
        mail.beginCommit()
        #expect(mail.settle() == nil)
        mail.endCommit(StaleFlows())
        #expect(mail.settle()?.saysNothing == true)
    }

    // MARK: Addresses

    private struct Failure: Error {}

    /// What a follower did, in order.
    private final class Log: Sendable {
        private let entries = Mutex<[String]>([])
        func add(_ entry: String) { entries.withLock { $0.append(entry) } }
        var all: [String] { entries.withLock { $0 } }
        func count(_ entry: String) -> Int { all.count { $0 == entry } }
    }

    /// Follows with a watcher for each of the names; one that is empty cannot be opened. The last one listens until the end.
    private func follow(first: AddressFollower.Watch?, then names: [String], _ log: Log) async {
        let left = Mutex(names)
        let follower = AddressFollower(first: first, firstDelay: .milliseconds(1), Self.quiet) {
            let name = left.withLock { $0.isEmpty ? "" : $0.removeFirst() }
            log.add("open \(name)")
            if name.isEmpty { throw Failure() }
            return { wakeUp in
                await wakeUp()
                // The last one.
                if left.withLock({ $0.isEmpty }) { try? await Task.sleep(for: .seconds(3600)) }
            }
        }
        let task = Task { await follower.run { log.add("look") } }
        let last = "open \(names.last ?? "")"
        while !Task.isCancelled, log.count(last) == 0 || log.all.suffix(2) != ["look", "look"] {
            try? await Task.sleep(for: .milliseconds(2))
        }
        task.cancel()
        await task.value
    }

    @Test(
        "a watcher of addresses that ends is replaced until the daemon ends, and the addresses are read anew",
        .timeLimit(.minutes(1)))
    func restart() async {
        let log = Log()
        let first: AddressFollower.Watch = { wakeUp in
            log.add("first")
            await wakeUp()
        }
        await follow(first: first, then: ["second", "", "", "third"], log)
        #expect(
            log.all == [
                "first", "look", "open second", "look", "look", "open ", "open ", "open third", "look", "look",
            ])
    }

    @Test("one that could not be opened at the start is opened later", .timeLimit(.minutes(1)))
    func late() async {
        let log = Log()
        await follow(first: nil, then: ["", "second"], log)
        #expect(log.all == ["open ", "open second", "look", "look"])
    }
}
