import Glibc

/// A thread of its own, in the network namespace of the thread that starts it; not one of the concurrency pool's, because what
/// runs there blocks in the kernel. It ends with its closure, and nobody waits for it.
package enum DetachedThread {
    /// Starts a thread. Returns 0, or the error number if the system has no thread to give: then nothing was run.
    package static func start(_ body: @escaping () -> Void) -> Int32 {
        let context = Unmanaged.passRetained(Body(run: body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if failure == 0 { pthread_detach(thread) } else { context.release() }
        return failure
    }

    /// A C function pointer cannot capture: this is what it gets in its argument.
    private final class Body {
        let run: () -> Void

        init(run: @escaping () -> Void) { self.run = run }
    }
}
