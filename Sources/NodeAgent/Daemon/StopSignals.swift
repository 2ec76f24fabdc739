import CLinux
import Dispatch

/// The signals that end the daemon.
package final class StopSignals {
    /// The name of each signal that arrives.
    package let received: AsyncStream<String>
    private let source: (any DispatchSourceRead)?

    /// From now on SIGTERM and SIGINT end nothing by themselves. If the system has no descriptor left for that, they end the process as
    /// before.
    package init() {
        let (stream, continuation) = AsyncStream<String>.makeStream(bufferingPolicy: .bufferingNewest(1))
        received = stream
        // Not a signal source of Dispatch: that needs the signal to be ignored first, and one that comes before the source is there is lost.
        let descriptor = fl_catch_stop_signals()
        guard descriptor >= 0 else {
            source = nil
            return
        }
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: .global())
        source.setEventHandler {
            while let name = fl_next_stop_signal() { continuation.yield(String(cString: name)) }
        }
        source.resume()
        self.source = source
    }
}
