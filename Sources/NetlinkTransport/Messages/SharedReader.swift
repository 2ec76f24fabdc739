import Synchronization

/// A second connection, for a thread that reads beside the first.
///
/// Unchecked because a kernel is not for concurrent use: nobody else has it, and the lock lets one thread in at a time.
final class SharedReader: @unchecked Sendable {
    private let lock = Mutex(())
    private let kernel: NftablesKernel

    init(_ kernel: sending NftablesKernel) { self.kernel = kernel }

    /// Has the kernel for itself.
    func withLock<Value>(_ body: (NftablesKernel) -> Value) -> Value { lock.withLock { _ in body(kernel) } }
}
