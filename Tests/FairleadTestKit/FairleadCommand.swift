import Glibc

/// The executable under test.
public struct FairleadCommand: Sendable {
    /// Where it is.
    public let path: String

    /// The executable at that path.
    public init(path: String) { self.path = path }

    /// The executable that `FAIRLEAD_BINARY` names, else the one that was built next to this process's own.
    public init() throws(TestKitError) {
        if let variable = getenv("FAIRLEAD_BINARY") {
            path = String(cString: variable)
        } else {
            var buffer = [CChar](repeating: 0, count: 4096)
            let length = readlink("/proc/self/exe", &buffer, buffer.count)
            let own = String(decoding: buffer[..<max(0, length)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            path = own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/fairlead"
        }
        if access(path, X_OK) != 0 { throw .notFound("\(path) (set FAIRLEAD_BINARY, or build the product first)") }
    }

    /// The program with these arguments.
    public func program(_ arguments: [String], timeLimit: Duration = .seconds(30)) -> Program {
        Program(path, arguments, timeLimit: timeLimit)
    }

    /// Runs the executable inside the namespace to its end.
    public func run(_ arguments: [String], in namespace: NetworkNamespace) async throws(TestKitError) -> ProgramResult {
        try await namespace.execute(program(arguments))
    }

    /// Starts the executable inside the namespace and lets it run (for five minutes at the most).
    public func start(_ arguments: [String], in namespace: NetworkNamespace) async throws(TestKitError) -> Daemon {
        try await Daemon(program(arguments, timeLimit: .seconds(300)), in: namespace)
    }

    /// What says which cluster and node this is, for every subcommand that takes manifests.
    public static func clusterArguments(manifests: String) -> [String] {
        ["--manifests", manifests, "--node-name", "node1", "--cluster-cidr", ClusterTopology.clusterCIDRs]
    }
}

/// A directory for manifests that ends with the last reference to it.
public final class TemporaryDirectory: Sendable {
    /// Where it is.
    public let path: String

    /// Makes an empty directory.
    public init() throws(TestKitError) {
        var template = Array("/tmp/fairlead-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .system(operation: "make a temporary directory", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                withUnsafePointer(to: &entry.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: 256) { _ = unlinkat(dirfd(directory), $0, 0) }
                }
            }
            closedir(directory)
        }
        rmdir(path)
    }

    /// Writes a file as editors and `kubectl` do: a reader sees the old content or the new one.
    ///
    /// - Returns: The path of the file.
    @discardableResult
    public func write(_ text: String, to name: String) throws(TestKitError) -> String {
        let (target, draft) = ("\(path)/\(name)", "\(path)/.\(name).new")
        let descriptor = try TestKitError.checkErrno(
            open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644), draft)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                close(descriptor)
                throw .system(operation: draft, errno: errno)
            }
            rest = rest.dropFirst(count)
        }
        close(descriptor)
        _ = try TestKitError.checkErrno(rename(draft, target), target)
        return target
    }

    /// Removes a file.
    public func remove(_ name: String) { unlink("\(path)/\(name)") }
}
