import CLinux
import Dispatch
import Glibc
import SystemSupport

/// Runs a credential plugin: no shell, nothing on its standard input, a limit of time and of output.
struct PluginProgram: Sendable {
    var command: String
    var arguments: [String]
    /// All variables.
    var environment: [String: String]
    var timeLimit: Duration = .seconds(60)

    /// More than an ExecCredential with certificates has.
    private static let outputLimit = 4 << 20

    /// What a program did that was started.
    struct Result: Sendable {
        /// The exit status; 128 + n if signal n ended it.
        var status: Int32
        var output: [UInt8]
        var errors: [UInt8]
        /// Whether it was killed because it took too long or printed too much.
        var isLate = false
    }

    /// Runs the program on a thread of its own and returns what it printed on its standard output.
    ///
    /// - Parameter hint: `installHint`, for the error if there is no such program.
    func run(hint: String?) async throws(APIError) -> [UInt8] {
        let outcome: Swift.Result<Result, APIError> = await withCheckedContinuation { continuation in
            DispatchQueue(label: "fairlead.exec-plugin").async {
                do throws(APIError) {
                    continuation.resume(returning: .success(try self.runBlocking(hint: hint)))
                } catch { continuation.resume(returning: .failure(error)) }
            }
        }
        let result = try outcome.get()
        let words = APIError.oneLine(String(decoding: result.errors.suffix(1000), as: UTF8.self))
        let said = words.isEmpty ? "" : ": \(words)"
        if result.isLate { throw failure("it was not done after \(timeLimit), or printed too much\(said)") }
        if result.status != 0 { throw failure("it ended with status \(result.status)\(said)") }
        return result.output
    }

    private func failure(_ detail: String) -> APIError { APIError(.credential, "exec plugin \(command): \(detail)") }

    private func runBlocking(hint: String?) throws(APIError) -> Result {
        guard let path = Self.locate(command, environment["PATH"] ?? "") else {
            let advice = hint.map { ". \(APIError.oneLine($0))" } ?? ""
            throw failure("no such program\(advice)")
        }
        var pipes: [(read: Int32, write: Int32)] = []
        defer { for pipe in pipes { close(pipe.read); close(pipe.write) } }
        for _ in 0..<2 {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw failure(SystemError.text(errno)) }
            pipes.append((ends[0], ends[1]))
        }
        let input = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(input) }
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let process = withCStrings([path] + arguments) { arguments in
            withCStrings(variables) { fl_spawn(path, arguments, $0, input, pipes[0].write, pipes[1].write) }
        }
        guard process > 0 else { throw failure(SystemError.text(-process)) }
        // Only the program may hold the ends that it writes to, so that its end is seen.
        let ends = pipes.map { fcntl($0.read, F_DUPFD_CLOEXEC, 3) }
        for pipe in pipes { close(pipe.read); close(pipe.write) }
        pipes = []
        defer { for end in ends { close(end) } }
        return collect(process, ends)
    }

    private func collect(_ process: pid_t, _ ends: [Int32]) -> Result {
        var result = Result(status: 0, output: [], errors: [])
        let deadline = ContinuousClock.now + timeLimit
        var entries = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 65536)
        while entries.contains(where: { $0.fd >= 0 }) {
            let left = deadline - .now
            if left <= .zero || result.output.count > Self.outputLimit || result.errors.count > Self.outputLimit {
                result.isLate = true
                break
            }
            poll(&entries, nfds_t(entries.count), Int32(min(1000, left / .milliseconds(1)) + 1))
            for index in entries.indices where entries[index].revents != 0 {
                let count = read(entries[index].fd, &buffer, buffer.count)
                if count < 0 && errno == EINTR { continue }
                if count <= 0 {
                    entries[index].fd = -1
                } else if index == 0 {
                    result.output += buffer[..<count]
                } else {
                    result.errors += buffer[..<count]
                }
            }
        }
        result.isLate = !hasEnded(process, by: result.isLate ? .now : deadline) || result.isLate
        // Whatever it has started goes with it.
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        result.status = signal == 0 ? (status >> 8) & 0xFF : 128 + signal
        return result
    }

    /// Waits for the end of a program that has closed its output. It keeps its number.
    private func hasEnded(_ process: pid_t, by deadline: ContinuousClock.Instant) -> Bool {
        while true {
            var info = siginfo_t()
            if waitid(P_PID, id_t(process), &info, WEXITED | WNOWAIT | WNOHANG) == 0, info.si_signo != 0 { return true }
            if .now >= deadline { return false }
            usleep(2000)
        }
    }

    /// The path of a program by its name in `PATH`; a path stays what it is.
    private static func locate(_ name: String, _ searchPath: String) -> String? {
        if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
        return searchPath.split(separator: ":").lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}

/// Calls the closure with a NULL-terminated array of C strings.
private func withCStrings(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Int32
) -> Int32 {
    let pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return -ENOMEM }
        return body(base)
    }
}

/// The variables of this process.
enum ProcessEnvironment {
    static var variables: [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return result
    }
}
