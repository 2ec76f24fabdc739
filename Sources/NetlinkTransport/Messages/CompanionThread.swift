import Dispatch
import Synchronization
import SystemSupport

/// A closure that runs on a thread of its own, and its result.
final class CompanionThread<Value: Sendable>: Sendable {
    private let work: Work

    /// Starts the closure. Where the system has no thread to give, it runs at once, and the caller waits.
    init(_ body: @escaping @Sendable () -> Value) {
        let work = Work(body)
        self.work = work
        if DetachedThread.start({ work.run() }) != 0 { work.run() }
    }

    /// Waits for the end. For one call.
    func join() -> Value {
        while true {
            work.done.wait()
            if let value = work.result.withLock({ $0 }) { return value }
        }
    }

    /// What the thread and who waits for it have in common.
    private final class Work: Sendable {
        let body: @Sendable () -> Value
        let result = Mutex<Value?>(nil)
        let done = DispatchSemaphore(value: 0)

        init(_ body: @escaping @Sendable () -> Value) { self.body = body }

        func run() {
            let value = body()
            result.withLock { $0 = value }
            done.signal()
        }
    }
}
