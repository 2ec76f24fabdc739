import FairleadTestKit
import Glibc

/// Small text files.
enum TextFile {
    static func read(_ path: String) throws(TestKitError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(operation: path, errno: errno) }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw .system(operation: path, errno: errno) }
            if count == 0 { return String(decoding: content, as: UTF8.self) }
            content += buffer[..<count]
        }
    }
}
