import Glibc
import Synchronization

/// A program that runs in the background of a test, inside a namespace.
///
/// It ends with this process, however that ends, because the thread that started it stays with it.
public final class Daemon: Sendable {
    private struct State {
        var processID: pid_t = 0
        var output = ""
        var end: Result<ProgramResult, TestKitError>?
    }

    private let state: SharedState
    private final class SharedState: Sendable { let value = Mutex(State()) }

    /// Starts the program.
    public init(_ program: Program, in namespace: NetworkNamespace) async throws(TestKitError) {
        let state = SharedState()
        self.state = state
        // The thread goes on with the program after the start has been reported.
        let started: Result<Void, TestKitError> = await withCheckedContinuation { continuation in
            Task.detached { await Self.follow(program, in: namespace, state, continuation) }
        }
        try started.get()
    }

    deinit { signal(SIGKILL) }

    private static func follow(
        _ program: Program, in namespace: NetworkNamespace, _ state: SharedState,
        _ continuation: CheckedContinuation<Result<Void, TestKitError>, Never>
    ) async {
        do throws(TestKitError) {
            try await namespace.perform { () throws(TestKitError) in
                let running: RunningProgram
                do throws(TestKitError) {
                    running = try RunningProgram(program)
                } catch {
                    continuation.resume(returning: .failure(error))
                    return
                }
                state.value.withLock { $0.processID = running.processID }
                continuation.resume(returning: .success(()))
                let end: Result<ProgramResult, TestKitError>
                do throws(TestKitError) {
                    end = .success(
                        try running.finish { _, bytes in
                            state.value.withLock { $0.output += String(decoding: bytes, as: UTF8.self) }
                        })
                } catch {
                    end = .failure(error)
                }
                state.value.withLock { $0.end = end }
            }
        } catch {
            // The namespace could not be entered: the closure has not run.
            continuation.resume(returning: .failure(error))
        }
    }

    /// Sends a signal, unless the program has ended.
    public func signal(_ number: Int32) {
        state.value.withLock { state in
            if state.end == nil && state.processID > 0 { kill(state.processID, number) }
        }
    }

    /// The first line of a file below the program's folder in `/proc`; nil if the program has ended.
    public func processFile(_ name: String) -> String? {
        let path = state.value.withLock { "/proc/\($0.processID)/\(name)" }
        return isRunning ? Self.read(path).map { String($0.prefix { $0 != "\n" }) } : nil
    }

    /// What `/proc` says of each of the program's threads; empty if it has ended.
    public func threadStatus() -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        let pattern = state.value.withLock { "/proc/\($0.processID)/task/*/status" }
        guard isRunning, glob(pattern, 0, nil, &found) == 0 else { return [] }
        let paths = UnsafeBufferPointer(start: found.gl_pathv, count: Int(found.gl_pathc))
        return paths.compactMap { $0.flatMap { Self.read(String(cString: $0)) } }
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// A path as the program sees it, for everybody else: it may have file systems of its own.
    public func path(inItsRoot path: String) -> String { state.value.withLock { "/proc/\($0.processID)/root\(path)" } }

    /// Everything that the program has written so far, to both of its outputs.
    public var output: String { state.value.withLock { $0.output } }

    /// Whether the program has not ended.
    public var isRunning: Bool { state.value.withLock { $0.end == nil } }

    /// Waits until the program has written the text.
    public func waitForOutput(_ text: String, timeLimit: Duration = .seconds(10)) async throws(TestKitError) {
        let found = await eventually(within: timeLimit) { self.output.contains(text) || !self.isRunning }
        if !found || !output.contains(text) { throw .timeLimit("\"\(text)\" in the output:\n\(output)") }
    }

    /// Waits for the end of the program.
    public func waitForEnd(timeLimit: Duration = .seconds(10)) async throws(TestKitError) -> ProgramResult {
        _ = await eventually(within: timeLimit) { !self.isRunning }
        guard let end = state.value.withLock({ $0.end }) else { throw .timeLimit("the end of the program:\n\(output)") }
        return try end.get()
    }
}

/// Asks again and again until the condition holds; false if the time is over before.
public func eventually(
    within timeLimit: Duration = .seconds(10), every pause: Duration = .milliseconds(25),
    _ condition: @Sendable () async throws -> Bool
) async rethrows -> Bool {
    let deadline = ContinuousClock.now + timeLimit * TimeFactor.value
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try? await Task.sleep(for: pause)
    }
    return try await condition()
}
