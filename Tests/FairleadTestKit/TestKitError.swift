import Glibc

/// Why the harness could not do its work. Never the outcome of a probe: those are ``Outcome`` values.
public enum TestKitError: Error, Sendable {
    /// A system call failed.
    case system(operation: String, errno: Int32)
    /// A program could not be started.
    case notStarted(program: String, errno: Int32)
    /// A program ended with a status other than 0.
    case program(command: String, status: Int32, output: String)
    /// Something that the test was waiting for did not happen.
    case timeLimit(String)
    /// An executable is not on this machine.
    case notFound(String)
    /// A peer did not say what it should have.
    case conversation(String)

    /// Throws the error that a negative result of a call stands for, else returns the result.
    static func check(_ result: Int32, _ operation: String) throws(TestKitError) -> Int32 {
        if result < 0 { throw .system(operation: operation, errno: -result) }
        return result
    }

    /// Throws the current `errno` if the result is negative, else returns the result.
    static func checkErrno(_ result: Int32, _ operation: String) throws(TestKitError) -> Int32 {
        if result < 0 { throw .system(operation: operation, errno: Glibc.errno) }
        return result
    }
}

extension TestKitError: CustomStringConvertible {
    /// What failed, and why.
    public var description: String {
        switch self {
        case .system(let operation, let errno): "\(operation): \(String(cString: strerror(errno)))"
        case .notStarted(let program, let errno): "cannot start \(program): \(String(cString: strerror(errno)))"
        case .program(let command, let status, let output): "\(command) ended with status \(status): \(output)"
        case .timeLimit(let what): "time limit: \(what)"
        case .notFound(let name): "\(name) was not found"
        case .conversation(let what): what
        }
    }
}
