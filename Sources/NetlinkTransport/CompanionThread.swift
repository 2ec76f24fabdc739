import Dispatch
import Glibc
import Synchronization

/// A closure that runs on a thread of its own, in the network namespace of the thread that made it, and its result.
///
/// Not a thread of the concurrency pool: what runs here blocks in the kernel.
final class CompanionThread<Value: Sendable>: Sendable {
    private let work: Work

    /// Starts the closure. Where the system has no thread to give, it runs at once, and the caller waits.
    init(_ body: @escaping @Sendable () -> Value) {
        let work = Work(body)
        self.work = work
        let context = Unmanaged.passRetained(ThreadStart { work.run() })
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, context.toOpaque())
        if failure == 0 { pthread_detach(thread) } else { context.takeRetainedValue().body() }
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

/// Carries a closure over to a new thread.
private final class ThreadStart: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
