import Dispatch
import FairleadTestKit
import Glibc

/// A directory for the files of a run, removed at the end, also when a signal ends it.
///
/// `Scripts/bench` lets it be on a file system of the run's own, which is gone even if the run is killed.
final class WorkDirectory {
    let path: String
    private var signals: [any DispatchSourceSignal] = []

    init() throws(TestKitError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/fairlead-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .system(operation: "mkdtemp in \(parent)", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // Not ignored: a child would go on ignoring it.
            signal(number) { _ in }
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [path] in
                Self.remove(path)
                // Its threads end with the process, and the kernel ends what they had started.
                _exit(128 + number)
            }
            source.resume()
            signals.append(source)
        }
    }

    deinit { Self.remove(path) }

    /// Makes a directory below this one and gives its path.
    func directory(_ name: String) throws(TestKitError) -> String {
        try SystemCall.check(mkdir("\(path)/\(name)", 0o700), "make \(path)/\(name)")
        return "\(path)/\(name)"
    }

    /// Removes a file or a directory with all that is in it.
    static func remove(_ path: String) {
        guard unlink(path) != 0, let directory = opendir(path) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { remove("\(path)/\(name)") }
        }
        closedir(directory)
        rmdir(path)
    }
}

/// A file that is written piece by piece.
final class OutputFile {
    private let descriptor: Int32
    private let path: String

    init(_ path: String) throws(TestKitError) {
        self.path = path
        descriptor = try SystemCall.check(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644), path)
    }

    deinit { close(descriptor) }

    func write(_ text: String) throws(TestKitError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 { throw .system(operation: "write \(path)", errno: errno) }
            rest = rest.dropFirst(count)
        }
    }
}
