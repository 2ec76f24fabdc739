import NIOCore
import NIOHTTP1

/// The body of an answer on its way out, with what goes wrong on the way. Lives on the connection's event loop.
final class AnswerStream {
    private let channel: any Channel
    private let keepsAlive: Bool
    private var trouble: Trouble.Kind?
    private var sent = 0
    private var waiting: [UInt8] = []
    private var isTicking = false
    private var endsAfterWaiting = false
    private var hasBegun = false
    /// Whether nothing is sent any more.
    private(set) var isOver = false

    init(_ channel: any Channel, _ trouble: Trouble.Kind?, keepsAlive: Bool) {
        self.channel = channel
        self.trouble = trouble
        self.keepsAlive = keepsAlive
    }

    /// Sends the head.
    func begin(_ status: HTTPResponseStatus, type: String, _ more: HTTPHeaders = [:], length: Int? = nil) {
        guard !isOver else { return }
        hasBegun = true
        var headers: HTTPHeaders = ["Content-Type": type]
        headers.add(contentsOf: more)
        // What is sent will not be what was meant.
        if let length, trouble == nil {
            headers.add(name: "Content-Length", value: "\(length)")
        } else {
            headers.add(name: "Transfer-Encoding", value: "chunked")
        }
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: headers)
        channel.writeAndFlush(HTTPServerResponsePart.head(head), promise: nil)
    }

    /// Sends bytes of the body.
    func send(_ bytes: [UInt8]) {
        guard !isOver, !bytes.isEmpty else { return }
        switch trouble {
        case .cut(let limit) where sent + bytes.count > limit:
            write(Array(bytes.prefix(limit - sent)))
            cut()
        case .stall(let limit) where sent + bytes.count > limit:
            write(Array(bytes.prefix(limit - sent)))
            isOver = true
        case .garbage(let limit) where sent + bytes.count > limit:
            write(Array(bytes.prefix(limit - sent)) + Array(repeating: 0xFF, count: 100))
            trouble = nil
            end()
        case .drip(let size, let milliseconds):
            waiting += bytes
            tick(size, .milliseconds(milliseconds))
        default: write(bytes)
        }
    }

    /// Ends the answer as it should.
    func end() {
        guard !isOver else { return }
        if !waiting.isEmpty {
            endsAfterWaiting = true
            return
        }
        isOver = true
        channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
        if !keepsAlive { channel.close(promise: nil) }
    }

    /// Closes the connection.
    func cut() {
        isOver = true
        channel.close(promise: nil)
    }

    /// Does to a watch what a test wants.
    func disturb(_ disturbance: Disturbance) {
        guard !isOver else { return }
        // The watch may be so new that its head is still to be sent.
        guard hasBegun else { return cut() }
        write(disturbance.bytes)
        switch disturbance {
        case .cut, .halfEventThenCut: cut()
        case .end, .garbage, .errorEvent: end()
        case .silence, .halfEventThenSilence: isOver = true
        }
    }

    private func write(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        sent += bytes.count
        channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes))), promise: nil)
    }

    private func tick(_ size: Int, _ pause: TimeAmount) {
        guard !isTicking else { return }
        isTicking = true
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.eventLoop.scheduleTask(in: pause) { bound.value.drip(size, pause) }
    }

    private func drip(_ size: Int, _ pause: TimeAmount) {
        isTicking = false
        guard !isOver else { return }
        write(Array(waiting.prefix(size)))
        waiting.removeFirst(min(size, waiting.count))
        if !waiting.isEmpty { tick(size, pause) } else if endsAfterWaiting { end() }
    }
}
