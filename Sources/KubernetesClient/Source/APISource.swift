import KubernetesModel
import Logging

/// Takes how following a kind of objects fares: the plural of the kind, and why its objects cannot be had now; nil once the
/// server has answered again. What is a part of the API's life, such as a watch that has to start again, is not told.
public typealias SourceReport = @Sendable (_ resource: String, _ failure: APIError?) -> Void

/// The cluster as the Kubernetes API tells it: Services, EndpointSlices, this Node and ServiceCIDRs, listed and watched.
///
/// ``run()`` does the work until its task is cancelled; ``updates`` has the news. What has been told stays told until the
/// server says that it is gone: while the server cannot be reached there simply is no news.
public final class APISource: Sendable {
    private let connection: APIConnection
    private let resources: [WatchedResource]
    private let timing: ReflectorTiming
    private let logger: Logger
    private let mailbox: UpdateMailbox
    private let report: SourceReport

    /// So many changes wait at the most, and a page of a list more, before the reflectors stop to read.
    public static let waitingLimit = 10_000

    /// Prepares the source; nothing is sent yet.
    ///
    /// - Parameters:
    ///   - connection: Where to ask. It stays open when the source ends.
    ///   - nodeName: The Node to follow; no other one is told.
    ///   - report: Is told how each kind of objects fares.
    public convenience init(
        _ connection: APIConnection, nodeName: String, timing: ReflectorTiming = ReflectorTiming(),
        waitingLimit: Int = APISource.waitingLimit, logger: Logger, report: @escaping SourceReport = { _, _ in }
    ) {
        self.init(
            connection, WatchedResource.all(nodeName: nodeName), timing: timing, waitingLimit: waitingLimit,
            logger: logger, report: report)
    }

    /// Prepares a source that tells of one Service with its EndpointSlices, and of all Nodes; nothing is sent yet.
    ///
    /// - Parameter connection: Where to ask. It stays open when the source ends.
    public convenience init(_ connection: APIConnection, about service: ObjectKey, logger: Logger) {
        self.init(
            connection, WatchedResource.around(service), timing: ReflectorTiming(), waitingLimit: Self.waitingLimit,
            logger: logger, report: { _, _ in })
    }

    private init(
        _ connection: APIConnection, _ resources: [WatchedResource], timing: ReflectorTiming, waitingLimit: Int,
        logger: Logger, report: @escaping SourceReport
    ) {
        self.report = report
        self.connection = connection
        self.timing = timing
        self.logger = logger
        self.resources = resources
        mailbox = UpdateMailbox(Set(resources.map(\.kind)), limit: waitingLimit)
    }

    /// What changes, for one consumer. ``ClusterUpdate/readiness`` is `loading` until everything was listed once.
    public var updates: ClusterUpdates { ClusterUpdates(mailbox: mailbox) }

    /// Lists and watches until the task is cancelled. Then ``updates`` end.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            for resource in resources {
                let reflector = Reflector(
                    resource, timing, connection: connection, mailbox: mailbox, logger: logger, report: report)
                group.addTask { await reflector.run() }
            }
        }
        mailbox.close()
    }
}

/// What changes in the cluster, one update after the other; for one consumer.
///
/// Nothing queues up for a slow consumer: what it has not fetched yet is folded into one update.
public struct ClusterUpdates: AsyncSequence, Sendable {
    /// What the sequence is made of.
    public typealias Element = ClusterUpdate

    let mailbox: UpdateMailbox

    /// Fetches the next update; nil once the source has ended or the task is cancelled.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let mailbox: UpdateMailbox
        var wakeUps: AsyncStream<Void>.AsyncIterator

        /// The next update.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(Never) -> ClusterUpdate? {
            while true {
                if Task.isCancelled { return nil }
                if let update = mailbox.take() { return update }
                guard await wakeUps.next(isolation: actor) != nil else { return mailbox.take() }
            }
        }
    }

    /// Makes the iterator; a sequence has room for one at a time.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(mailbox: mailbox, wakeUps: mailbox.wakeUps.makeAsyncIterator())
    }
}
