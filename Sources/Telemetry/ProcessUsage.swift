/// What a process takes of the machine, under the names that client libraries of Prometheus agree on.
public struct ProcessUsage: Hashable, Sendable {
    /// Seconds of processor time since the start, in user and system mode together.
    public var processorSeconds: Double?
    /// Seconds since 1970 (UTC) when the process started.
    public var startTime: Double?
    /// Bytes of memory in use.
    public var residentBytes: Double?
    /// Bytes of address space.
    public var virtualBytes: Double?
    /// Open file descriptors.
    public var openFiles: Int?
    /// How many file descriptors the process may have; infinite without a limit.
    public var mostFiles: Double?

    /// Nothing known.
    public init() {}

    /// The units of a system's numbers.
    public struct Units: Hashable, Sendable {
        /// Clock ticks of a second (`sysconf(_SC_CLK_TCK)`).
        public var ticksPerSecond: Double
        /// Bytes of a page of memory.
        public var pageSize: Double
        /// Seconds since 1970 (UTC) when the system started.
        public var bootTime: Double

        /// Makes units.
        public init(ticksPerSecond: Double, pageSize: Double, bootTime: Double) {
            self.ticksPerSecond = ticksPerSecond
            self.pageSize = pageSize
            self.bootTime = bootTime
        }
    }

    /// Takes what `/proc/PID/stat` tells (proc_pid_stat(5)); a text that is none tells nothing.
    public mutating func read(stat text: String, _ units: Units) {
        // The second field is the program's name in brackets, which may hold anything, also brackets.
        guard let end = text.lastIndex(of: ")") else { return }
        let fields = text[text.index(after: end)...].split(whereSeparator: \.isWhitespace).map { Double($0) }
        // The first of them is field 3.
        func field(_ number: Int) -> Double? { fields.indices.contains(number - 3) ? fields[number - 3] : nil }
        guard let user = field(14), let system = field(15), let start = field(22), let size = field(23),
            let pages = field(24)
        else { return }
        processorSeconds = (user + system) / units.ticksPerSecond
        startTime = units.bootTime + start / units.ticksPerSecond
        virtualBytes = size
        residentBytes = pages * units.pageSize
    }

    /// Takes the soft limit of open files from `/proc/PID/limits`.
    public mutating func read(limits text: String) {
        let title = "Max open files"
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(title) }),
            let soft = line.dropFirst(title.count).split(separator: " ").first
        else { return }
        mostFiles = soft == "unlimited" ? .infinity : Double(soft)
    }

    /// The metrics of what is known.
    public var metrics: [Metric] {
        func metric(_ name: String, _ kind: Metric.Kind, _ help: String, _ value: Double?) -> Metric {
            var metric = Metric("process_\(name)", kind, help)
            if let value { metric.add(value) }
            return metric
        }
        return [
            metric("cpu_seconds_total", .counter, "Processor time in seconds, user and system.", processorSeconds),
            metric("open_fds", .gauge, "Open file descriptors.", openFiles.map { Double($0) }),
            metric("max_fds", .gauge, "How many file descriptors may be open.", mostFiles),
            metric("virtual_memory_bytes", .gauge, "Size of the address space.", virtualBytes),
            metric("resident_memory_bytes", .gauge, "Memory in use.", residentBytes),
            metric("start_time_seconds", .gauge, "When the process started, in seconds since 1970.", startTime),
        ]
    }
}
