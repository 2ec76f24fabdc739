import CLinux
import SystemSupport
import Telemetry

extension Moment {
    private static let start = ContinuousClock.now

    /// Now.
    public static var now: Moment {
        var seconds: Int64 = 0
        var microseconds: Int32 = 0
        fl_wall_clock(&seconds, &microseconds)
        return Moment(
            microseconds: seconds * 1_000_000 + Int64(microseconds), uptime: ContinuousClock.now - start)
    }
}

extension SystemError {
    /// No such address family: the kernel has no IPv6.
    static let noFamily: Int32 = 97
}
