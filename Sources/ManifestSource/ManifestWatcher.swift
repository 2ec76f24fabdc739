import CLinux
import Glibc
import KubernetesModel
import Synchronization
import SystemSupport

/// Follows manifests as they change.
///
/// A thread of its own waits for file events, so that no thread of the concurrency pool blocks. There is no delay to
/// wait for further events: a writer that renames a finished file into place, and one that closes a file, both mean
/// that the content is complete.
public final class ManifestWatcher: Sendable {
    /// What changes, beginning with all there is.
    public let updates: ManifestUpdates
    private let thread: WatcherThread

    /// Starts to follow files and directories, as `ManifestSet` takes them. They need not exist yet.
    public init(paths: [String]) {
        let mailbox = ManifestMailbox()
        let thread = WatcherThread()
        let stop = thread.stopper
        mailbox.whenTerminated { stop.send() }
        self.thread = thread
        updates = ManifestUpdates(mailbox: mailbox, lifetime: thread)
        thread.start(WatchLoop(paths: paths, mailbox: mailbox, stopper: stop))
    }

    /// Ends the thread and the sequence.
    public func stop() { thread.stopper.send() }
}

/// Tells the thread to end. Owns its descriptor; the thread closes it as its last act.
final class Stopper: Sendable {
    private let descriptor: Mutex<Int32>

    init() { descriptor = Mutex(fl_wake_open()) }

    /// The descriptor to wait for.
    var wake: Int32 { descriptor.withLock { $0 } }

    func send() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 { _ = fl_wake_send(descriptor) }
        }
    }

    func close() {
        descriptor.withLock { descriptor in
            fl_close(descriptor)
            descriptor = -1
        }
    }
}

/// Ends the thread when the last one who listens is gone.
final class WatcherThread: Sendable {
    let stopper = Stopper()

    deinit { stopper.send() }

    /// Runs the loop on a new thread.
    func start(_ loop: consuming sending WatchLoop) {
        let box = LoopBox(loop)
        if DetachedThread.start({ box.loop.run() }) != 0 { box.loop.finish() }
    }
}

/// Carries the loop to its thread.
private final class LoopBox {
    var loop: WatchLoop
    init(_ loop: consuming sending WatchLoop) { self.loop = loop }
}
