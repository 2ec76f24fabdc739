import Dispatch
import Netfilter
import Synchronization

/// Carries out transactions, one after the other, on a thread of its own, while their maker goes on with the next.
///
/// A first load is half of it the kernel's work and half of it ours: side by side both take little longer than one.
final class CommitPipeline {
    private let queue: SubmittedTransactions
    private let thread: CompanionThread<NetlinkError?>

    /// Starts the thread. Until `end` has returned, the kernel is for nobody else.
    init(_ kernel: NftablesKernel) {
        let queue = SubmittedTransactions(kernel)
        self.queue = queue
        thread = CompanionThread { queue.run() }
    }

    /// Hands a transaction over, and waits while too many wait already.
    ///
    /// - Returns: false if the thread has ended, because one before has failed.
    func submit(_ transaction: Transaction, expecting generation: UInt32?) -> Bool {
        queue.put(SubmittedTransactions.Order(transaction: transaction, generation: generation))
    }

    /// How long each transaction took that was carried out since the last call, in order.
    func takeDurations() -> [Duration] { queue.takeDurations() }

    /// Waits until everything is carried out, or one transaction has failed: then those after it were not tried.
    func end() -> NetlinkError? {
        _ = queue.put(nil)
        return thread.join()
    }
}

/// What waits for the thread of a pipeline.
///
/// Unchecked because of the kernel, which is not for concurrent use: the thread uses it from the first order to the end of
/// `run`, and `NftablesKernel` waits for that before anything else.
private final class SubmittedTransactions: @unchecked Sendable {
    struct Order: Sendable {
        var transaction: Transaction
        var generation: UInt32?
    }

    private struct State {
        /// Nil is the end.
        var orders: [Order?] = []
        var durations: [Duration] = []
        var hasFailed = false
    }

    private let kernel: NftablesKernel
    private let state = Mutex(State())
    /// How many orders may be put. (Dispatch wants a semaphore to end with no less than it began with.)
    private let room = DispatchSemaphore(value: 0)
    private let waiting = DispatchSemaphore(value: 0)

    /// One that is carried out and one that waits: more would only take memory.
    private static let depth = 2

    init(_ kernel: NftablesKernel) {
        self.kernel = kernel
        for _ in 0..<Self.depth { room.signal() }
    }

    /// - Returns: whether it will be carried out, as far as can be told.
    func put(_ order: Order?) -> Bool {
        room.wait()
        let hasFailed = state.withLock { state in
            state.orders.append(order)
            return state.hasFailed
        }
        waiting.signal()
        return !hasFailed
    }

    func takeDurations() -> [Duration] {
        state.withLock { state in
            defer { state.durations = [] }
            return state.durations
        }
    }

    /// Carries out what comes until the end, or nothing more after a failure.
    func run() -> NetlinkError? {
        let clock = ContinuousClock()
        var failure: NetlinkError?
        while true {
            waiting.wait()
            let order = state.withLock { $0.orders.removeFirst() }
            guard let order else { return failure }
            if failure == nil {
                let start = clock.now
                do throws(NetlinkError) {
                    try kernel.commit(order.transaction, expecting: order.generation)
                    let duration = clock.now - start
                    state.withLock { $0.durations.append(duration) }
                } catch {
                    failure = error
                    state.withLock { $0.hasFailed = true }
                }
            }
            room.signal()
        }
    }
}

extension NftablesKernel {
    /// Has a transaction carried out on another thread; `settle` has to follow.
    public func submit(
        _ transaction: Transaction, expecting generation: UInt32?, done: @escaping (Duration) -> Void
    ) throws(NetlinkError) {
        let pipeline = self.pipeline ?? CommitPipeline(self)
        self.pipeline = pipeline
        submitted.append(done)
        let isGoingOn = pipeline.submit(transaction, expecting: generation)
        tellDone(pipeline)
        if !isGoingOn { try settle() }
    }

    /// Waits for what was submitted.
    ///
    /// - Throws: why a transaction was refused. Those after it were not carried out.
    public func settle() throws(NetlinkError) {
        guard let pipeline else { return }
        let failure = pipeline.end()
        tellDone(pipeline)
        self.pipeline = nil
        submitted = []
        if let failure { throw failure }
    }

    private func tellDone(_ pipeline: CommitPipeline) {
        let durations = pipeline.takeDurations()
        for (done, duration) in zip(submitted, durations) { done(duration) }
        submitted.removeFirst(durations.count)
    }
}
