import Glibc
import KubernetesConfiguration
import SystemSupport

/// What tells whether a file is still the one that was read: kubelet and cert-manager replace files, and the directory
/// that a symbolic link leads to.
struct FileStamp: Hashable, Sendable {
    private var device: UInt64
    private var inode: UInt64
    private var size: Int
    private var seconds: Int
    private var nanoseconds: Int

    /// The file as it is now; nil if it cannot be looked at.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}

/// Small files: tokens and certificates.
enum SmallFile {
    /// More than any of them has.
    private static let limit = 16 << 20

    /// The whole content.
    static func read(_ path: String) throws(APIError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, errno) }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 { throw failure(path, errno) }
            if count == 0 { return content }
            content += buffer[..<count]
            if content.count > limit { throw APIError(.settings, "\(path): too large") }
        }
    }

    private static func failure(_ path: String, _ number: Int32) -> APIError {
        APIError(.settings, "\(path): \(SystemError.text(number))")
    }
}

extension ConnectionSettings.Material {
    /// The text, read again if it stands in a file.
    func load() throws(APIError) -> [UInt8] {
        switch self {
        case .inline(let bytes): bytes
        case .file(let path): try SmallFile.read(path)
        }
    }

    /// The file's name; nil for inline text.
    var path: String? {
        if case .file(let path) = self { path } else { nil }
    }
}
