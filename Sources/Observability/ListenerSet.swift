import NIOCore
import NIOPosix
import NetworkTypes
import SystemSupport
import Telemetry

/// What becomes of a server.
public enum ListenerEvent: Hashable, Sendable {
    /// It listens.
    case opened(ListenAddress)
    /// It listens, after it was told that it does not.
    case openedAtLast(ListenAddress)
    /// It does not listen, and is tried again. Told once for each reason.
    case failed(ListenFailure)
    /// It listens no longer, because nothing asks for it; or it never did, and is not tried again.
    case closed(ListenAddress)
}

/// HTTP servers that come and go: all on one thread, which is ample for probes and scrapes.
public actor ListenerSet {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let limits: HTTPLimits
    private let report: @Sendable (ListenerEvent) -> Void
    private var listeners: [ListenAddress: HTTPListener] = [:]
    private var failures: [ListenAddress: ListenFailure] = [:]

    /// Makes a set without servers; they will listen in the network namespace of the calling thread.
    ///
    /// - Parameter report: is told what becomes of each server.
    public init(limits: HTTPLimits = HTTPLimits(), report: @escaping @Sendable (ListenerEvent) -> Void) {
        self.limits = limits
        self.report = report
    }

    /// The servers that listen.
    public var openCount: Int { listeners.count }

    /// The servers that should listen and do not.
    public var failedCount: Int { failures.count }

    /// Why they do not; without those on all addresses of a family that the kernel does not have.
    public var unopened: [ListenFailure] {
        failures.values.filter { !$0.isMissingFamily }.sorted { $0.address < $1.address }
    }

    /// Closes the servers that are not wanted and opens those that are missing. Those that are open stay as they are,
    /// and go on answering by the responder that they were opened with. Not to be called twice at the same time.
    ///
    /// - Parameter proxied: those whose connections may begin with a header of the PROXY protocol.
    public func settle(_ wanted: [ListenAddress: HTTPResponder], proxied: Set<ListenAddress> = []) async {
        for (address, listener) in listeners where wanted[address] == nil {
            listeners[address] = nil
            await listener.stopAccepting()
            _ = listener.drain()
            report(.closed(address))
        }
        for (address, failure) in failures where wanted[address] == nil {
            failures[address] = nil
            if !failure.isMissingFamily { report(.closed(address)) }
        }
        for (address, respond) in wanted.sorted(by: { $0.key < $1.key }) where listeners[address] == nil {
            do throws(ListenFailure) {
                listeners[address] = try await HTTPListener.open(
                    address, on: group, limits: limits, acceptsProxyHeader: proxied.contains(address), respond: respond)
                let failure = failures.removeValue(forKey: address)
                let wasTold = failure.map { !$0.isMissingFamily } ?? false
                report(wasTold ? .openedAtLast(address) : .opened(address))
            } catch {
                if failures[address] != error, !error.isMissingFamily { report(.failed(error)) }
                failures[address] = error
            }
        }
    }

    /// Closes all servers, after the requests in flight, and ends their thread.
    public func shutDown() async {
        let all = listeners
        listeners = [:]
        for listener in all.values { await listener.stopAccepting() }
        let drains = all.values.map { $0.drain() }
        for drain in drains { try? await drain.get() }
        try? await group.shutdownGracefully()
    }
}

extension ListenFailure {
    /// A kernel without IPv6 has no addresses of it to listen on.
    fileprivate var isMissingFamily: Bool { errno == SystemError.noFamily && address.host.isUnspecified }
}
