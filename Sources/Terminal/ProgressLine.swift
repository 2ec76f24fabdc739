import Glibc
import Synchronization

/// One line on a terminal that says what a long piece of work is at, and that leaves nothing behind.
///
/// Nothing at all is written where nobody looks: to a file or a pipe, or to a terminal that cannot redraw a line.
public final class ProgressLine: Sendable {
    private struct State {
        var drawnLength = 0
        var lastDraw: ContinuousClock.Instant?
    }

    /// The least time from one drawing of the line to the next.
    public static let interval: Duration = .milliseconds(100)

    private let state = Mutex(State())
    private let descriptor: Int32
    private let usesEscapes: Bool
    /// Whether anything is ever drawn.
    public let isShown: Bool

    /// - Parameter descriptor: where to draw; standard error by default.
    public init(on descriptor: Int32 = 2) {
        self.descriptor = descriptor
        isShown = Terminal.canRedraw(descriptor)
        usesEscapes = !Terminal.isPlain
    }

    /// Draws the line again, unless it was drawn a moment ago. A text that is too long for the terminal is cut.
    public func show(_ text: @autoclosure () -> String) {
        guard isShown else { return }
        state.withLock { state in
            let now = ContinuousClock.now
            if let last = state.lastDraw, now - last < Self.interval { return }
            state.lastDraw = now
            let width = Terminal.width(descriptor) ?? 80
            let line = String(text().prefix(max(width - 1, 1)))
            Terminal.write(erasure(&state) + line, to: descriptor)
            state.drawnLength = line.count
        }
    }

    /// Takes the line away.
    public func clear() { interrupt {} }

    /// Writes something else where the line is; the line is taken away before.
    public func interrupt(_ body: () -> Void) {
        guard isShown else { return body() }
        state.withLock { state in
            if state.drawnLength > 0 { Terminal.write(erasure(&state), to: descriptor) }
            body()
        }
    }

    private func erasure(_ state: inout State) -> String {
        defer { state.drawnLength = 0 }
        if usesEscapes { return "\r\u{1B}[K" }
        return state.drawnLength > 0 ? "\r" + String(repeating: " ", count: state.drawnLength) + "\r" : ""
    }
}

/// What is known of the terminal behind a descriptor.
public enum Terminal {
    /// Whether it is a terminal on which a line can be drawn over.
    public static func canRedraw(_ descriptor: Int32) -> Bool {
        guard isatty(descriptor) == 1, let kind = environment("TERM") else { return false }
        return kind != "dumb"
    }

    /// Whether the user asked for text without escape sequences (https://no-color.org).
    public static var isPlain: Bool { environment("NO_COLOR") != nil }

    /// The number of columns; nil if it is not known.
    public static func width(_ descriptor: Int32) -> Int? {
        size(descriptor).flatMap { $0.ws_col > 0 ? Int($0.ws_col) : nil }
    }

    /// The number of lines; nil if it is not known.
    public static func height(_ descriptor: Int32) -> Int? {
        size(descriptor).flatMap { $0.ws_row > 0 ? Int($0.ws_row) : nil }
    }

    private static func size(_ descriptor: Int32) -> winsize? {
        var size = winsize()
        return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 ? size : nil
    }

    /// The value of a variable that is set and not empty.
    private static func environment(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // A line of progress is not worth an error.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
