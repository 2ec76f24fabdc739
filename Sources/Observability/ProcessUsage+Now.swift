import CLinux
import Glibc
import Telemetry

extension ProcessUsage {
    /// What this process takes now, by `/proc`; what cannot be read there is left out.
    public static var now: ProcessUsage {
        var usage = ProcessUsage()
        if let text = text(of: "/proc/self/stat") { usage.read(stat: text, units) }
        if let text = text(of: "/proc/self/limits") { usage.read(limits: text) }
        usage.openFiles = openFileCount
        return usage
    }

    /// Determined once, so that the start time does not move with the clock.
    private static let units: Units = {
        let ticks = sysconf(Int32(_SC_CLK_TCK))
        var uptime = timespec()
        clock_gettime(CLOCK_BOOTTIME, &uptime)
        let sinceBoot = Double(uptime.tv_sec) + Double(uptime.tv_nsec) / 1e9
        return Units(
            ticksPerSecond: ticks > 0 ? Double(ticks) : 100, pageSize: Double(max(sysconf(Int32(_SC_PAGESIZE)), 1)),
            bootTime: Moment.now.seconds - sinceBoot)
    }()

    /// A small file.
    private static func text(of path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 8192) { buffer -> String? in
            guard let base = buffer.baseAddress else { return nil }
            let length = fl_read_small(path, base, buffer.count)
            return length > 0 ? String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
        }
    }

    /// Without the one that looking takes.
    private static var openFileCount: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            // Not `.` and `..`.
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
        }
        return max(count - 1, 0)
    }
}
