import KubernetesModel
import Logging
import Netfilter
import NetworkTypes
import ServiceDataplane
import ServicePolicy
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

    /// Connections to `10.96.0.1:80` may lead to these endpoints.
    private static func connections(_ before: [UInt32], _ after: [UInt32]) -> StaleFlows {
        func service(_ endpoints: [UInt32]) -> (key: ObjectKey, resolved: ResolvedService?) {
            var port = ResolvedServicePort(name: "", transport: .tcp, family: .ipv4)
            port.frontends = [
                Frontend(kind: .clusterIP, address: .v4(IPv4Address(rawValue: 0x0A60_0001)), port: 80)
            ]
            port.flowTargets = endpoints.map { Backend(address: .v4(IPv4Address(rawValue: $0)), port: 80) }
            let key = ObjectKey(namespace: "a", name: "a")
            return (key, ResolvedService(key: key, ports: [port]))
        }
        var dataplane = Dataplane(options: DataplaneOptions())
        _ = dataplane.update([service(before)])
        return dataplane.update([service(after)]).effects.staleFlows
    }

    private static func isStale(_ endpoint: UInt32, _ flows: StaleFlows?) -> Bool? {
        flows?.contains(
            TrackedFlow(
                .tcp, from: .v4(IPv4Address(rawValue: 1)), 1, to: .v4(IPv4Address(rawValue: 0x0A60_0001)), 80,
                target: .v4(IPv4Address(rawValue: endpoint)), 80))
    }

    @Test("connections to an endpoint that is gone wait, and one that comes back meanwhile keeps its own")
    func held() async {
        let mail = FlowMail(hold: .milliseconds(300))
        mail.endCommit(Self.connections([1, 2, 3], [3]))
        #expect(mail.take() == nil)
        // 1 comes back, 3 goes: that one waits for its own time.
        mail.endCommit(Self.connections([3], [1]))
        #expect(mail.take() == nil)
        try? await Task.sleep(for: .milliseconds(350))
        let first = mail.take()
        #expect(Self.isStale(2, first) == true && Self.isStale(1, first) == false && Self.isStale(3, first) == false)
        try? await Task.sleep(for: .milliseconds(350))
        let second = mail.take()
        #expect(Self.isStale(3, second) == true && Self.isStale(1, second) == false)
        #expect(mail.take() == nil)
    }

    @Test("a look that is under way learns of an endpoint that came back, and of none that has just gone")
    func heldNews() {
        let mail = FlowMail(hold: .seconds(60))
        var looking = Self.connections([1, 2], [2])
        mail.endCommit(Self.connections([2], [1]))
        guard let news = mail.settle() else { return #expect(Bool(false), "a commit is under way") }
        looking.formUnion(news)
        #expect(Self.isStale(1, looking) == false && Self.isStale(2, looking) == false)
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
        "a watcher of addresses that ends is replaced until the daemon ends, and the addresses are read again",
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
