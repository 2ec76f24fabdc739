import Glibc
import SystemSupport

/// A file that is replaced as a whole: whoever reads it finds the old text or the new one, and a watch on its folder sees a move.
struct PoolFile: Sendable {
    let path: String

    /// Why the text could not be written.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Replaces the text. A file that has it already is left alone.
    func write(_ text: String) throws(Failure) {
        if contents == text { return }
        let draft = "\(path).\(getpid())"
        guard let file = fopen(draft, "w") else { throw failure("open \(draft)") }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten else {
            let error = failure("write \(draft)")
            unlink(draft)
            throw error
        }
        guard rename(draft, path) == 0 else {
            let error = failure("replace \(path)")
            unlink(draft)
            throw error
        }
    }

    private var contents: String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    private func failure(_ operation: String) -> Failure {
        Failure(description: "\(operation): \(SystemError.text(errno))")
    }
}
