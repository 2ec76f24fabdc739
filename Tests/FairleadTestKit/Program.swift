import Glibc

/// A program to run: what to start, what to feed it and how long it may take.
public struct Program: Sendable {
    /// A name to look up in `PATH`, or a path.
    public var name: String
    /// The arguments after the name.
    public var arguments: [String]
    /// What the program reads from its standard input.
    public var input: String
    /// Variables that are set in addition to those of this process.
    public var environment: [String: String]
    /// The program is killed after this time.
    public var timeLimit: Duration

    /// Makes a program to run.
    public init(
        _ name: String, _ arguments: [String] = [], input: String = "", environment: [String: String] = [:],
        timeLimit: Duration = .seconds(60)
    ) {
        self.name = name
        self.arguments = arguments
        self.input = input
        self.environment = environment
        self.timeLimit = timeLimit
    }

    /// The command as one would type it.
    public var commandLine: String { ([name] + arguments).joined(separator: " ") }

    /// Where the program is.
    func resolvedPath() throws(TestKitError) -> String { try Self.locate(name) }

    /// The path of a program by its name in `PATH`; a path stays what it is.
    public static func locate(_ name: String) throws(TestKitError) -> String {
        if name.contains("/") { return name }
        let inherited = getenv("PATH").map { String(cString: $0) } ?? ""
        // An ordinary user's PATH often lacks the directories of ip and nft.
        let directories = inherited.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        for directory in directories {
            let path = "\(directory)/\(name)"
            if access(path, X_OK) == 0 { return path }
        }
        throw .notFound(name)
    }
}

/// What a program did.
public struct ProgramResult: Sendable {
    /// The command as one would type it.
    public var command: String
    /// The exit status; 128 + n if signal n ended it.
    public var status: Int32
    /// What it wrote to its standard output.
    public var standardOutput: String
    /// What it wrote to its standard error.
    public var standardError: String

    /// Throws unless the status is 0.
    @discardableResult
    public func requireSuccess() throws(TestKitError) -> ProgramResult {
        if status != 0 { throw .program(command: command, status: status, output: standardError + standardOutput) }
        return self
    }
}

extension NetworkNamespace {
    /// Runs a program inside the namespace to its end. Blocks; for tasks see ``execute(_:)``.
    public func run(_ program: Program) throws(TestKitError) -> ProgramResult {
        try run { () throws(TestKitError) in try RunningProgram(program).finish() }
    }

    /// Runs a program inside the namespace to its end without blocking the caller's thread.
    public func execute(_ program: Program) async throws(TestKitError) -> ProgramResult {
        try await perform { () throws(TestKitError) in try RunningProgram(program).finish() }
    }
}
