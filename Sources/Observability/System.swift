import CLinux
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

/// Error numbers of the system.
enum SystemError {
    /// No such address family: the kernel has no IPv6.
    static let noFamily: Int32 = 97

    /// The text of an error number.
    static func text(_ number: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress else { return "error \(number)" }
            fl_error_text(number, base, buffer.count)
            return String(cString: base)
        }
    }
}
