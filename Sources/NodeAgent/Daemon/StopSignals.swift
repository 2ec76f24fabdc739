import Dispatch

/// The signals that end the daemon.
package final class StopSignals {
    /// The name of each signal that arrives.
    package let received: AsyncStream<String>
    private let sources: [any DispatchSourceSignal]

    /// From now on these signals end nothing by themselves.
    package init() {
        let (stream, continuation) = AsyncStream<String>.makeStream(bufferingPolicy: .bufferingNewest(1))
        received = stream
        sources = [("SIGTERM", SignalNumber.terminate), ("SIGINT", SignalNumber.interrupt)].map { name, number in
            SignalNumber.ignore(number)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(name) }
            source.resume()
            return source
        }
    }
}
