import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

@testable import NetlinkTransport

/// Addresses of a namespace, and what the kernel tells of their changes.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct HostAddressWatcherTests {
    private static func namespace() throws(TestKitError) -> NetworkNamespace {
        let namespace = try NetworkNamespace()
        // The end of duplicate address detection would be told seconds later.
        try namespace.setParameters([("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0")])
        try namespace.ip(["link add one type veth peer name two", "link set one up", "link set two up"])
        return namespace
    }

    private static func watcher(
        _ namespace: NetworkNamespace, followsDefaultRoutes: Bool = false
    ) throws -> HostAddressWatcher {
        try namespace.run { () throws(TestKitError) in
            do throws(NetlinkError) {
                return try HostAddressWatcher(followsDefaultRoutes: followsDefaultRoutes)
            } catch {
                throw .conversation("\(error)")
            }
        }
    }

    /// Counts wake-ups until none has come for a while.
    private actor Counter {
        private(set) var count = 0
        func add() { count += 1 }

        func settle() async throws -> Int {
            var last = -1
            while last != count {
                last = count
                try await Task.sleep(for: .milliseconds(300))
            }
            return count
        }
    }

    private static func count(_ watcher: HostAddressWatcher) -> (counter: Counter, task: Task<Void, Never>) {
        let counter = Counter()
        return (counter, Task { for await _ in watcher.wakeUps { await counter.add() } })
    }

    @Test("addresses and links that come and go wake up, other things do not")
    func wakeUps() async throws {
        let namespace = try Self.namespace()
        let watcher = try Self.watcher(namespace)
        let (counter, task) = Self.count(watcher)
        defer { task.cancel() }
        // Link-local addresses of the new links.
        var before = try await counter.settle()
        // A link without IPv6 addresses, which come and go with it, has nothing to tell but that it is up or down.
        try namespace.setParameters([("ipv6/conf/two/disable_ipv6", "1")])
        before = try await counter.settle()
        let matters = [
            "address add 192.0.2.1/24 dev one", "address add 2001:db8::1/64 dev one nodad",
            "address delete 192.0.2.1/24 dev one", "link set two down", "link set two up",
        ]
        for line in matters {
            try namespace.ip([line])
            let after = try await counter.settle()
            #expect(after > before, "\(line)")
            before = after
        }
        for line in ["link set one mtu 1400", "link set one alias x", "route add 198.51.100.0/24 dev two"] {
            try namespace.ip([line])
            #expect(try await counter.settle() == before, "\(line)")
        }
        try namespace.ip(["route add default dev two"])
        #expect(try await counter.settle() == before, "default routes were not asked for")
        withExtendedLifetime(watcher) {}
    }

    @Test("default routes wake up whoever asked, other routes do not")
    func routes() async throws {
        let namespace = try Self.namespace()
        let watcher = try Self.watcher(namespace, followsDefaultRoutes: true)
        let (counter, task) = Self.count(watcher)
        defer { task.cancel() }
        let before = try await counter.settle()
        try namespace.ip(["route add 198.51.100.0/24 dev two", "route add 2001:db8:1::/48 dev two"])
        #expect(try await counter.settle() == before)
        try namespace.ip(["route add default dev two"])
        let between = try await counter.settle()
        #expect(between > before)
        try namespace.ip(["route delete default dev two"])
        #expect(try await counter.settle() > between)
        withExtendedLifetime(watcher) {}
    }

    @Test("a burst wakes up a few times")
    func burst() async throws {
        let namespace = try Self.namespace()
        let watcher = try Self.watcher(namespace)
        let (counter, task) = Self.count(watcher)
        defer { task.cancel() }
        let before = try await counter.settle()
        let start = ContinuousClock.now
        try namespace.ip((0..<1500).map { "address add 10.1.\($0 / 250).\($0 % 250 + 1)/32 dev one" })
        let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
        let wakeUps = try await counter.settle() - before
        // Between two of them there are ten milliseconds.
        #expect(wakeUps >= 1 && Double(wakeUps) <= milliseconds / 10 + 2, "\(wakeUps) in \(milliseconds) ms")
        withExtendedLifetime(watcher) {}
    }

    @Test("the sequence ends with stop, and with the task that listens")
    func ends() async throws {
        let namespace = try Self.namespace()
        let watcher = try Self.watcher(namespace)
        let stopped = Self.count(watcher)
        watcher.stop()
        await stopped.task.value
        let second = try Self.watcher(namespace)
        let cancelled = Self.count(second)
        _ = try await cancelled.counter.settle()
        cancelled.task.cancel()
        await cancelled.task.value
    }

    @Test("addresses of links that are down, tentative ones and loopback are told apart")
    func addresses() throws {
        let namespace = try Self.namespace()
        try namespace.setParameters([("ipv6/conf/one/accept_dad", "1"), ("ipv6/conf/one/dad_transmits", "20")])
        try namespace.ip([
            "address add 192.0.2.1 peer 192.0.2.2 dev one", "address add 2001:db8::1/64 dev one nodad",
            "address add 2001:db8::2/64 dev one", "address add 2001:db8::3/64 dev one nodad preferred_lft 0",
            "address add 198.51.100.1/24 dev two", "link set two down",
        ])
        let found = try namespace.run { () throws(TestKitError) -> Set<IPAddress> in
            do throws(NetlinkError) { return Set(try HostAddresses.all()) } catch { throw .conversation("\(error)") }
        }
        let usual: Set<IPAddress> = ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "2001:db8::3"]
        #expect(found.filter { !$0.isLinkLocal } == usual)
    }

    @Test("one whose socket fails ends, so that another one can be made, and does not spin")
    func failing() async throws {
        let namespace = try Self.namespace()
        let (watcher, descriptor) = try namespace.inside { () throws(NetlinkError) in
            let socket = try NetlinkSocket(netlinkProtocol: RouteMessage.netlinkProtocol)
            let descriptor = socket.descriptor
            return (try HostAddressWatcher(followsDefaultRoutes: false, socket: socket), descriptor)
        }
        let (counter, task) = Self.count(watcher)
        _ = try await counter.settle()
        // In the place of the socket, something that is always readable and no socket. The thread sees it when it is woken up.
        let stranger = open("/dev/zero", O_RDONLY | O_CLOEXEC)
        defer { close(stranger) }
        #expect(dup2(stranger, descriptor) == descriptor)
        try namespace.ip(["addr add 10.9.9.9/32 dev one"])
        let limit = Task {
            try await Task.sleep(for: .seconds(20))
            watcher.stop()
            Issue.record("the watcher goes on without a socket")
        }
        await task.value
        limit.cancel()
    }
}
