import NIOCore
import NIOHTTP1

/// Stands between the socket and the parser of HTTP: counts what comes, takes the header of the PROXY protocol away, and
/// gives the parser heads as it wants them. Whatever is no request is refused here, at once.
final class RequestGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Stage {
        /// At the beginning of a connection that may begin with a header of the PROXY protocol.
        case proxyHeader
        case head
        /// A body with so many bytes left.
        case body(Int)
        /// A body in chunks: they end where a line ends.
        case chunks
        /// Nothing more is read.
        case over
    }

    private let connection: HTTPConnection
    private let watcher: RequestWatcher
    private var context: ChannelHandlerContext?
    private var stage: Stage
    private var reader = RequestHeadReader(isFirst: true)
    private var input = ByteBuffer()
    private var isBusy = false

    init(_ connection: HTTPConnection, _ watcher: RequestWatcher, acceptsProxyHeader: Bool) {
        self.connection = connection
        self.watcher = watcher
        stage = acceptsProxyHeader ? .proxyHeader : .head
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connection.gate = self
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Reads nothing more.
    func end() { stage = .over }

    /// Sends no more.
    func closeOutput() { context?.close(mode: .output, promise: nil) }

    /// Sends text past the encoder.
    func send(_ text: String) -> EventLoopFuture<Void>? {
        guard let context else { return nil }
        let promise = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(string: text)), promise: promise)
        return promise.futureResult
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .some(.inputClosed) = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        // The client sends no more; it may still read answers. Only the connection knows how many are due.
        connection.inputEnded(withinRequest: isWithinRequest)
    }

    private var isWithinRequest: Bool {
        switch stage {
        case .proxyHeader: input.readableBytes > 0
        case .head: reader.hasBegun
        case .body, .chunks: true
        case .over: false
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .over = stage { return }
        var bytes = unwrapInboundIn(data)
        guard connection.received(bytes.readableBytes) else { return }
        input.writeBuffer(&bytes)
        // An answer may lead to more bytes while some are being passed on.
        guard !isBusy else { return }
        isBusy = true
        while input.readableBytes > 0, passOn(context) {}
        isBusy = false
        input.discardReadBytes()
    }

    /// Passes some bytes on. False if more are needed, or none wanted.
    private func passOn(_ context: ChannelHandlerContext) -> Bool {
        switch stage {
        case .proxyHeader: return takeProxyHeader()
        case .head: return passHead(context)
        case .body(let left):
            guard let part = input.readSlice(length: min(left, input.readableBytes)) else { return false }
            stage = .body(left - part.readableBytes)
            context.fireChannelRead(wrapInboundOut(part))
            if left == part.readableBytes { beginNext() }
        case .chunks:
            let view = input.readableBytesView
            let length = view.firstIndex(of: 10).map { $0 - view.startIndex + 1 } ?? view.count
            guard let part = input.readSlice(length: length) else { return false }
            context.fireChannelRead(wrapInboundOut(part))
            if watcher.hasEnded { beginNext() }
        case .over: return false
        }
        return true
    }

    private func takeProxyHeader() -> Bool {
        let most = 16 + ProxyHeader.longestPart
        switch ProxyHeader.find(in: Array(input.readableBytesView.prefix(most))) {
        case .none: stage = .head
        case .incomplete: return false
        case .malformed: connection.refuse(400)
        case .header(let length):
            input.moveReaderIndex(forwardBy: length)
            stage = .head
        }
        return true
    }

    private func passHead(_ context: ChannelHandlerContext) -> Bool {
        var output: [UInt8] = []
        output.reserveCapacity(input.readableBytes + 16)
        let (count, verdict) = reader.read(input.readableBytesView, into: &output)
        input.moveReaderIndex(forwardBy: count)
        if case .invalid(let status) = verdict {
            connection.refuse(status)
            return false
        }
        watcher.hasEnded = false
        if !output.isEmpty { context.fireChannelRead(wrapInboundOut(context.channel.allocator.buffer(bytes: output))) }
        guard verdict == .complete, case .head = stage else { return true }
        if watcher.isLast {
            stage = .over
        } else if watcher.hasEnded {
            beginNext()
        } else {
            stage = watcher.bodyLength.map { .body($0) } ?? .chunks
        }
        return true
    }

    private func beginNext() {
        if case .over = stage { return }
        reader = RequestHeadReader(isFirst: false)
        stage = watcher.hasEnded ? .head : .over
    }
}

/// Sees what the parser makes of the bytes that the gate gives it.
final class RequestWatcher: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private let connection: HTTPConnection
    /// Whether the last request is there to its end.
    var hasEnded = false
    /// How long the body of the last request is; nil if it comes in chunks.
    private(set) var bodyLength: Int?
    /// Whether the parser reads nothing after the last request, because it asks for another protocol.
    private(set) var isLast = false

    init(_ connection: HTTPConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            let isChunked = head.headers.contains(name: "Transfer-Encoding")
            let length = head.headers.first(name: "Content-Length").flatMap { UInt32($0) }
            bodyLength = isChunked ? nil : length.map { Int($0) }
            isLast = head.asksForAnotherProtocol
        case .body: break
        case .end:
            hasEnded = true
            connection.pending += 1
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError { connection.refuse(400) } else { context.fireErrorCaught(error) }
    }
}

extension HTTPRequestHead {
    /// Whether the parser reads nothing after the request: what follows would be of another protocol, if that were taken up.
    var asksForAnotherProtocol: Bool { method == .CONNECT || headers.contains(name: "Upgrade") }
}
