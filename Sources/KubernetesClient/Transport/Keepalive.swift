import Glibc
import NIOCore

/// TCP tells a dead peer from a silent one: a connection that gets no acknowledgement for half a minute is closed. The
/// HTTP client sends no HTTP/2 PING.
enum Keepalive {
    /// Of an idle connection: seconds before the first probe, seconds between probes, lost probes.
    private static let options: [(Int32, Int32)] = [
        (TCP_KEEPIDLE, 15), (TCP_KEEPINTVL, 5), (TCP_KEEPCNT, 3),
        // Of what has been sent and is not acknowledged: milliseconds.
        (TCP_USER_TIMEOUT, 30000),
    ]

    static func enable(on channel: any Channel) -> EventLoopFuture<Void> {
        var result = channel.setOption(.socketOption(.so_keepalive), value: 1)
        for (name, value) in options {
            let option = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: CInt(name)))
            result = result.flatMap { channel.setOption(option, value: SocketOptionValue(value)) }
        }
        return result
    }
}
