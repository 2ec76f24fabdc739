import CLinux
import Terminal

/// Standard error.
enum StandardError {
    /// Says there what long work is at, if it is a terminal.
    static let progress = ProgressLine()

    static func write(_ text: String) { progress.interrupt { StandardStream.write(text, to: 2) } }
}

/// Standard output, buffered: a large table is written in large pieces.
final class StandardOutput {
    private var buffer = ""
    private static let pieceSize = 1 << 16

    func write(_ text: String) {
        buffer += text
        if buffer.utf8.count >= Self.pieceSize { flush() }
    }

    func flush() {
        StandardStream.write(buffer, to: 1)
        buffer = ""
    }

    deinit { flush() }
}

private enum StandardStream {
    static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in _ = fl_write_all(descriptor, bytes.baseAddress, bytes.count) }
    }
}
