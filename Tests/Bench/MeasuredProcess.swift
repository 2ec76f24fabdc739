import CLinux
import FairleadTestKit
import Glibc

/// What a process cost from its start to its end.
struct ProcessCost {
    /// Seconds from before the start to after the end.
    var wall: Double
    /// Seconds in user mode.
    var user: Double
    /// Seconds in the kernel.
    var system: Double
    /// Megabytes (10^6 bytes) of memory at the peak.
    var peak: Double
    /// What it wrote to its standard error.
    var messages: String

    var cpu: Double { user + system }
}

/// A process in the network namespace of the calling thread, which has to stay with it.
///
/// Its standard output goes to a file or nowhere: nothing of it is held in this process, because a child begins with the
/// memory of its parent, and that counts in its peak.
final class MeasuredProcess {
    let processID: pid_t
    private let commandLine: String
    private let start: ContinuousClock.Instant
    private let errors: Int32
    private var messages = ""
    private var hasEnded = false

    init(_ path: String, _ arguments: [String], output: String = "/dev/null") throws(TestKitError) {
        commandLine = ([path] + arguments).joined(separator: " ")
        var ends: [Int32] = [-1, -1]
        try SystemCall.check(pipe(&ends), "pipe")
        for end in ends { try SystemCall.check(fcntl(end, F_SETFD, FD_CLOEXEC), "close on exec") }
        errors = ends[0]
        let input = open("/dev/null", O_RDONLY | O_CLOEXEC)
        let target = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { for descriptor in [input, target, ends[1]] { close(descriptor) } }
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        start = .now
        let result = fl_spawn(path, &words, environ, input, target, ends[1])
        processID = result
        if result < 0 {
            hasEnded = true
            throw .notStarted(program: path, errno: -result)
        }
    }

    deinit {
        if !hasEnded {
            kill(-processID, SIGKILL)
            while waitpid(processID, nil, 0) < 0 && errno == EINTR {}
        }
        close(errors)
    }

    /// Waits until the process has said the words on standard error. Gives the seconds since its start.
    func waitForMessage(_ words: String, within limit: Duration) throws(TestKitError) -> Double {
        let deadline = start + limit
        while !messages.contains(words) {
            guard try readMessages(until: deadline) else {
                throw .conversation("\(commandLine) ended before it said \"\(words)\": \(messages)")
            }
        }
        return (ContinuousClock.now - start).seconds
    }

    /// How often the process has said the words on standard error until now.
    func count(of words: String) -> Int {
        var entry = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, 0) > 0, entry.revents & Int16(POLLIN) != 0 {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(errors, &buffer, buffer.count)
            if count <= 0 { break }
            messages += String(decoding: buffer[..<count], as: UTF8.self)
        }
        return messages.split(separator: words, omittingEmptySubsequences: false).count - 1
    }

    /// Waits for the end, which has to be a success.
    func finish(within limit: Duration = .seconds(600)) throws(TestKitError) -> ProcessCost {
        let deadline = start + limit
        while try readMessages(until: deadline) {}
        var status: Int32 = 0
        var usage = rusage()
        while wait4(processID, &status, 0, &usage) < 0 && errno == EINTR {}
        let wall = (ContinuousClock.now - start).seconds
        hasEnded = true
        let code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        if code != 0 { throw .program(command: commandLine, status: code, output: messages) }
        return ProcessCost(
            wall: wall, user: usage.ru_utime.seconds, system: usage.ru_stime.seconds,
            peak: Double(usage.ru_maxrss) * 1024 / 1e6, messages: messages)
    }

    /// Asks the process to end and waits for that.
    func terminate() throws(TestKitError) -> ProcessCost {
        kill(processID, SIGTERM)
        return try finish(within: (ContinuousClock.now - start) + .seconds(30))
    }

    /// Megabytes by the name that they have in `/proc/PID/status`.
    func memory(_ field: String) throws(TestKitError) -> Double {
        let descriptor = open("/proc/\(processID)/status", O_RDONLY | O_CLOEXEC)
        try SystemCall.check(descriptor, "read /proc/\(processID)/status")
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = read(descriptor, &buffer, buffer.count)
        let text = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix(field + ":") {
            if let kilobytes = line.split(whereSeparator: { " \t:".contains($0) }).dropFirst().first.flatMap({
                Double($0)
            }) {
                return kilobytes * 1024 / 1e6
            }
        }
        throw .conversation("/proc/\(processID)/status has no \(field)")
    }

    /// Reads what there is of messages; false if there will be none any more.
    private func readMessages(until deadline: ContinuousClock.Instant) throws(TestKitError) -> Bool {
        let left = deadline - ContinuousClock.now
        if left <= .zero { throw .timeLimit("\(commandLine): \(messages)") }
        var entry = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
        if poll(&entry, 1, Int32(min(left.seconds * 1000 + 1, 1000))) <= 0 { return true }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(errors, &buffer, buffer.count)
        if count > 0 { messages += String(decoding: buffer[..<count], as: UTF8.self) }
        return count > 0 || (count < 0 && errno == EINTR)
    }
}

/// Turns results of system calls into errors.
enum SystemCall {
    @discardableResult
    static func check(_ result: Int32, _ operation: String) throws(TestKitError) -> Int32 {
        if result < 0 { throw .system(operation: operation, errno: errno) }
        return result
    }
}

extension timeval {
    fileprivate var seconds: Double { Double(tv_sec) + Double(tv_usec) / 1e6 }
}
