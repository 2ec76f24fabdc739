import Glibc

/// A directory for manifests that ends with the last reference to it.
public final class TemporaryDirectory: Sendable {
    /// Where it is.
    public let path: String

    /// Held locked as long as the directory is in use.
    private let lock: Int32

    /// Makes an empty directory, and removes those of processes that were killed.
    public init() throws(TestKitError) {
        _ = Self.staleAreRemoved
        var template = Array("\(Self.parent)/\(Self.prefix)XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .system(operation: "make a temporary directory", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        lock = try TestKitError.checkErrno(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path)
        flock(lock, LOCK_EX)
    }

    deinit {
        Self.empty(path)
        rmdir(path)
        close(lock)
    }

    private static let parent = "/tmp"
    private static let prefix = "fairlead-test-"

    /// Nobody holds the lock of a directory whose process is gone. A new one may not be locked yet: only those that have
    /// not changed for a while are looked at.
    private static let staleAreRemoved: Bool = {
        for name in names(in: parent) where name.hasPrefix(prefix) {
            let path = "\(parent)/\(name)"
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), time(nil) - status.st_mtim.tv_sec > 60,
                flock(descriptor, LOCK_EX | LOCK_NB) == 0
            else { continue }
            empty(path)
            rmdir(path)
        }
        return true
    }()

    private static func empty(_ path: String) {
        for name in names(in: path) {
            let inner = "\(path)/\(name)"
            if unlink(inner) == 0 || errno != EISDIR { continue }
            empty(inner)
            rmdir(inner)
        }
    }

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Writes a file as editors and `kubectl` do: a reader sees the old content or the new one.
    ///
    /// - Returns: The path of the file.
    @discardableResult
    public func write(_ text: String, to name: String) throws(TestKitError) -> String {
        let (target, draft) = ("\(path)/\(name)", "\(path)/.\(name).new")
        try overwrite(Array(text.utf8), ".\(name).new")
        _ = try TestKitError.checkErrno(rename(draft, target), target)
        return target
    }

    /// Writes a file in place, as programs do that do not care who reads: with an error halfway the file stays cut.
    public func overwrite(_ bytes: [UInt8], _ name: String) throws(TestKitError) {
        let file = "\(path)/\(name)"
        let descriptor = try TestKitError.checkErrno(
            open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644), file)
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 { throw .system(operation: file, errno: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Removes a file.
    public func remove(_ name: String) { unlink("\(path)/\(name)") }
}
