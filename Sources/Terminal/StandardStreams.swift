import CLinux
import Glibc
import SystemSupport

/// Standard error.
package enum StandardError {
    /// Says there what long work is at, if it is a terminal.
    package static let progress = ProgressLine()

    /// Writes the text whole, with the line of progress out of its way.
    package static func write(_ text: String) { progress.interrupt { StandardStream.write(text, to: 2) } }
}

/// Standard output, buffered: a large table is written in large pieces.
package final class StandardOutput {
    private var buffer = ""
    private let isResult: Bool
    private static let pieceSize = 1 << 16
    /// `EX_IOERR` of `sysexits.h`.
    private static let failure: Int32 = 74

    /// - Parameter isResult: Whether what is written is what the command is for. If it cannot be written whole, as on a
    ///   full disk, the process ends with exit code 74: a part of a table must not be taken for the table.
    package init(isResult: Bool = true) { self.isResult = isResult }

    /// Writes the text, at the latest when the last reference goes.
    package func write(_ text: String) {
        buffer += text
        if buffer.utf8.count >= Self.pieceSize { flush() }
    }

    /// Writes what is still kept.
    package func flush() {
        let code = StandardStream.write(buffer, to: 1)
        buffer = ""
        guard code < 0, isResult else { return }
        StandardError.write("error: standard output cannot be written: \(SystemError.text(-code))\n")
        exit(Self.failure)
    }

    deinit { flush() }
}

private enum StandardStream {
    /// Returns 0 or a negative error number.
    @discardableResult
    static func write(_ text: String, to descriptor: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in fl_write_all(descriptor, bytes.baseAddress, bytes.count) }
    }
}
