import CLinux
import Glibc

/// What the files below /proc tell of programs that run, and of parts of the kernel that they use.
package enum ProcFiles {
    private static let capacity = 4096

    /// The lines of a file, of its first 4 KiB; none if it cannot be read.
    package static func lines(_ path: String) -> [String] {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
            guard let base = buffer.baseAddress else { return [] }
            let length = fl_read_small(path, base, buffer.count)
            guard length > 0 else { return [] }
            let text = String(decoding: UnsafeRawBufferPointer(start: base, count: length), as: UTF8.self)
            return text.split(separator: "\n").map(String.init)
        }
    }

    /// The lines of a file that the kernel tells in parts, such as one with a line for each processor; none if it cannot be read.
    static func allLines(_ path: String, limit: Int = 1 << 20) -> [String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: capacity)
        while bytes.count < limit {
            let count = read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// The processes of this network namespace that run, can be seen from here and have this name, by number. One that does
    /// not tell its namespace counts: to read that takes more privilege than to see the process. One that has ended and
    /// whose parent has not yet taken notice does not: it has a name still, and no namespace.
    package static func processes(named name: String) -> [Int] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var result: [Int] = []
        while let entry = readdir(directory) {
            let process = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                Int(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
            }
            guard let process, lines("/proc/\(process)/comm").first == name, !hasEnded(process) else {
                continue
            }
            let namespace = target("/proc/\(process)/ns/net")
            if namespace == nil || namespace == target("/proc/self/ns/net") { result.append(process) }
        }
        return result.sorted()
    }

    /// Whether the process is a zombie or dead, by the state in `/proc/PID/stat` (proc_pid_stat(5)); the name before it, in
    /// brackets, may hold any characters.
    private static func hasEnded(_ process: Int) -> Bool {
        guard let line = lines("/proc/\(process)/stat").first, let end = line.lastIndex(of: ")") else { return true }
        return "ZXx".contains(line[line.index(after: end)...].first { $0 != " " } ?? "Z")
    }

    /// Where a symbolic link leads; nil if that cannot be read.
    private static func target(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let length = readlink(path, base, buffer.count)
            guard length > 0 else { return nil }
            return String(decoding: UnsafeRawBufferPointer(start: base, count: length), as: UTF8.self)
        }
    }
}
