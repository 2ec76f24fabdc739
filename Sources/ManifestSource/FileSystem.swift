import CLinux
import Glibc
import SystemSupport

/// The file system calls that this module needs.
package enum FileSystem {
    /// What went wrong, as an error number.
    package struct Failure: Error, Hashable {
        let code: Int32

        /// Whether nothing of the name exists.
        package var isMissing: Bool { code == ENOENT || code == ENOTDIR }

        /// One line that follows the path in a message.
        package var problem: String {
            switch code {
            case EISDIR: return "is a directory"
            case ENOTSUP: return "is not a regular file"
            case EFBIG: return "is larger than 512 MiB"
            case EAGAIN: return "is being written to"
            default:
                return "cannot be read: \(SystemError.text(code))"
            }
        }
    }

    /// What tells a version of a file from another one without reading it.
    package struct Stamp: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
        let size: Int64
        let modified: Int64
        let changed: Int64
        let isDirectory: Bool
    }

    package static func stamp(_ path: String) throws(Failure) -> Stamp {
        var raw = fl_stamp()
        let result = fl_stat_path(path, &raw)
        guard result == 0 else { throw Failure(code: -result) }
        return Stamp(
            device: raw.device, inode: raw.inode, size: raw.size, modified: raw.modified, changed: raw.changed,
            isDirectory: raw.is_directory != 0)
    }

    /// The bytes of a regular file.
    package static func read(_ path: String) throws(Failure) -> FileBytes {
        var bytes: UnsafeMutablePointer<UInt8>?
        var length = 0
        let result = fl_read_file(path, 512 << 20, &bytes, &length)
        guard result == 0, let bytes else { throw Failure(code: result == 0 ? ENOMEM : -result) }
        return FileBytes(bytes: bytes, count: length)
    }

    /// The manifests in a directory, sorted by name.
    static func manifests(in directory: String) throws(Failure) -> [String] {
        var names: UnsafeMutablePointer<CChar>?
        var length = 0
        let result = fl_list_directory(directory, &names, &length)
        defer { free(names) }
        guard result == 0 else { throw Failure(code: -result) }
        return UnsafeRawBufferPointer(start: names, count: length).split(separator: 0)
            .map { String(decoding: $0, as: UTF8.self) }.filter(isManifestName).sorted()
    }

    /// Whether a file of that name in a directory is read: not hidden, not an editor's own, and with an ending that
    /// says what it holds. The endings alone rule out `x.yaml~`, `#x.yaml#`, `.x.yaml.swp`, `x.tmp` and vim's `4913`.
    static func isManifestName(_ name: String) -> Bool {
        guard !name.hasPrefix("."), !name.hasPrefix("#") else { return false }
        return [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }

    /// A path in a directory.
    package static func join(_ directory: String, _ name: String) -> String {
        directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }

    /// The directory and the last component of a path.
    package static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let directory = slash == path.startIndex ? "/" : String(path[..<slash])
        return (directory, String(path[path.index(after: slash)...]))
    }
}

/// The content of a file, in memory that goes when it does.
package final class FileBytes: Sendable {
    /// The bytes; valid while this object lives.
    // Safe: nobody writes to them.
    package nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    /// Takes over memory from `malloc`.
    init(bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        self.bytes = UnsafeRawBufferPointer(start: bytes, count: count)
    }

    /// Copies bytes.
    init(copying bytes: UnsafeRawBufferPointer) {
        let copy = malloc(max(1, bytes.count))
        guard let copy else { fatalError("out of memory") }
        if let base = bytes.baseAddress, !bytes.isEmpty { memcpy(copy, base, bytes.count) }
        self.bytes = UnsafeRawBufferPointer(start: copy, count: bytes.count)
    }

    deinit { free(UnsafeMutableRawPointer(mutating: bytes.baseAddress)) }

    /// Whether a line ends where the file does. Of nothing, none does.
    var endsLine: Bool { bytes.last == UInt8(ascii: "\n") }

    static func == (lhs: FileBytes, rhs: FileBytes) -> Bool {
        lhs.bytes.count == rhs.bytes.count && lhs.bytes.matches(0..<lhs.bytes.count, rhs.bytes, at: 0)
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes of the range stand in another text at this offset.
    func matches(_ range: Range<Int>, _ other: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        guard offset >= 0, offset <= other.count, range.count <= other.count - offset else { return false }
        guard let base = baseAddress, let otherBase = other.baseAddress, !range.isEmpty else { return range.isEmpty }
        return memcmp(base + range.lowerBound, otherBase + offset, range.count) == 0
    }
}
