import CLinux
import Glibc

/// A started program with pipes on all its standard descriptors. Stays on the thread that started it.
final class RunningProgram {
    let processID: pid_t
    private let program: Program
    private let started = ContinuousClock.now
    private var input: Int32
    private var outputs: [Int32]
    private var texts: [[UInt8]] = [[], []]

    /// Starts the program in the network namespace of the calling thread.
    init(_ program: Program) throws(TestKitError) {
        let path = try program.resolvedPath()
        var pipes: [(read: Int32, write: Int32)] = []
        defer { for pipe in pipes { close(pipe.read); close(pipe.write) } }
        for _ in 0..<3 { pipes.append(try Self.pipe()) }
        let environment = Self.environment(adding: program.environment)
        let arguments = [path] + program.arguments
        let status = withStringArray(arguments) { arguments in
            withStringArray(environment) { environment in
                fl_spawn(path, arguments, environment, pipes[0].read, pipes[1].write, pipes[2].write)
            }
        }
        if status < 0 { throw .notStarted(program: path, errno: -status) }
        processID = status
        self.program = program
        input = fcntl(pipes[0].write, F_DUPFD_CLOEXEC, 3)
        outputs = [fcntl(pipes[1].read, F_DUPFD_CLOEXEC, 3), fcntl(pipes[2].read, F_DUPFD_CLOEXEC, 3)]
        for descriptor in [input] + outputs { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    }

    deinit { for descriptor in [input] + outputs where descriptor >= 0 { close(descriptor) } }

    /// Feeds and reads the program until it ends, and kills it when its time is over.
    ///
    /// - Parameter observer: sees what arrives on standard output (0) and standard error (1) as it comes.
    func finish(observer: (Int, [UInt8]) -> Void = { _, _ in }) throws(TestKitError) -> ProgramResult {
        var remaining = Array(program.input.utf8)[...]
        var late = false
        while outputs.contains(where: { $0 >= 0 }) {
            let left = program.timeLimit * TimeFactor.value - (ContinuousClock.now - started)
            if left <= .zero {
                late = true
                kill(-processID, SIGKILL)
                break
            }
            remaining = feed(remaining)
            var entries = outputs.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            entries.append(pollfd(fd: input, events: Int16(POLLOUT), revents: 0))
            poll(&entries, nfds_t(entries.count), Int32(left.milliseconds.clamped(1, 200)))
            for stream in 0..<2 where entries[stream].revents != 0 { receive(stream, observer) }
        }
        let status = reap()
        if late { throw .timeLimit("\(program.commandLine) after \(program.timeLimit)") }
        return ProgramResult(
            command: program.commandLine, status: status,
            standardOutput: String(decoding: texts[0], as: UTF8.self),
            standardError: String(decoding: texts[1], as: UTF8.self))
    }

    private func feed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard input >= 0 else { return [] }
        var rest = bytes
        if !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) }
            if count < 0 && errno != EAGAIN { rest = [] }
        }
        if rest.isEmpty {
            close(input)
            input = -1
        }
        return rest
    }

    private func receive(_ stream: Int, _ observer: (Int, [UInt8]) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = read(outputs[stream], &buffer, buffer.count)
        if count > 0 {
            texts[stream] += buffer[..<count]
            observer(stream, Array(buffer[..<count]))
        } else if count == 0 || errno != EAGAIN {
            close(outputs[stream])
            outputs[stream] = -1
        }
    }

    private func reap() -> Int32 {
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0 && errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }

    private static func pipe() throws(TestKitError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        _ = try TestKitError.checkErrno(Glibc.pipe(&ends), "pipe")
        return (ends[0], ends[1])
    }

    private static func environment(adding added: [String: String]) -> [String] {
        var result: [String] = []
        var entry = environ
        while let text = entry.pointee {
            let line = String(cString: text)
            let name = line.split(separator: "=").first.map(String.init) ?? ""
            if !name.isEmpty, added[name] == nil, !isHosts(name) { result.append(line) }
            entry += 1
        }
        return result + added.map { "\($0.key)=\($0.value)" } + (added["LC_ALL"] == nil ? ["LC_ALL=C.UTF-8"] : [])
    }

    /// Whether a variable tells of the host that tests run on, which they must not depend on: proxies, languages, a cluster.
    private static func isHosts(_ name: String) -> Bool {
        let upper = name.uppercased()
        return upper.hasSuffix("_PROXY") || upper.hasPrefix("LC_") || upper.hasPrefix("KUBE")
            || ["LANG", "LANGUAGE", "TZ", "NO_COLOR", "POSIXLY_CORRECT", "CURL_HOME"].contains(upper)
    }
}

/// Calls the closure with a NULL-terminated array of C strings.
private func withStringArray<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("the array has a terminator") }
        return body(base)
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var milliseconds: Int { Int(components.seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}

extension Int {
    /// The number, or the bound that it exceeds.
    func clamped(_ low: Int, _ high: Int) -> Int { Swift.min(Swift.max(self, low), high) }
}
