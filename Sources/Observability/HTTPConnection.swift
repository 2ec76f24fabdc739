import NIOCore
import NIOHTTP1
import Telemetry

/// One connection of a client: reads requests one after the other and answers each. Stays on its event loop.
final class HTTPConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase { case waiting, receiving, answering }

    private let table: ConnectionTable
    private let respond: HTTPResponder
    private var context: ChannelHandlerContext?
    private var phase = Phase.waiting
    private var head: HTTPRequestHead?
    private var requestBytes = 0
    private var closesAfterAnswer = false
    /// The number of the last request that was read whole.
    private var exchange = 0
    private var deadline: Scheduled<Void>?
    /// When the client was last heard of, or answered.
    private(set) var quietSince = NIODeadline.now()

    private var limits: HTTPLimits { table.limits }

    /// Whether an answer is on its way.
    var isAnswering: Bool { phase == .answering }

    init(table: ConnectionTable, respond: @escaping HTTPResponder) {
        self.table = table
        self.respond = respond
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        enter(.waiting, limits.requestTime)
        table.admit(self)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        table.remove(self)
        context.fireChannelInactive()
    }

    /// Closes now, whatever is in flight.
    func close() { context?.close(promise: nil) }

    /// Closes as soon as nothing is in flight.
    func finish() {
        closesAfterAnswer = true
        if phase == .waiting { close() }
    }

    private func enter(_ next: Phase, _ limit: Duration) {
        phase = next
        quietSince = .now()
        deadline?.cancel()
        deadline = context?.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limit)) { self.close() }
    }

    // MARK: Requests

    /// Bytes of a request have come. False if they are too many; the connection is closing then.
    func received(_ count: Int) -> Bool {
        requestBytes += count
        guard requestBytes <= limits.requestBytes else {
            close()
            return false
        }
        if phase == .waiting { enter(.receiving, limits.requestTime) }
        return true
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            enter(.receiving, limits.requestTime)
        case .body: return
        case .end: answer(context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The client sends no more; it may still read the answer.
        if case .some(.inputClosed) = event as? ChannelEvent {
            closesAfterAnswer = true
            if phase != .answering { close() }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Answers

    private func answer(_ context: ChannelHandlerContext) {
        guard let head else { return }
        self.head = nil
        exchange += 1
        enter(.answering, limits.answerTime)
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let request = HTTPRequest(
            method: head.method.rawValue, path: parts.first ?? "", query: parts.count > 1 ? parts[1] : "",
            host: head.headers.first(name: "Host"))
        let promise = context.eventLoop.makePromise(of: HTTPAnswer.self)
        promise.completeWithTask { [respond] in await respond(request) }
        promise.futureResult.assumeIsolated().whenSuccess { self.send($0, to: head) }
    }

    /// Header names, their order and `Connection` are as Go's HTTP library has them.
    private func send(_ answer: HTTPAnswer, to head: HTTPRequestHead) {
        guard let context else { return }
        let keepsAlive = head.isKeepAlive && !closesAfterAnswer
        let isCurrent = head.version != .http1_0
        var headers = HTTPHeaders(answer.headers.map { ($0.name, $0.value) })
        headers.add(name: "Date", value: Moment.now.httpDate)
        headers.add(name: "Content-Length", value: String(answer.body.utf8.count))
        if !keepsAlive, isCurrent { headers.add(name: "Connection", value: "close") }
        if keepsAlive, !isCurrent { headers.add(name: "Connection", value: "keep-alive") }
        let status = HTTPResponseStatus(statusCode: answer.status)
        let response = HTTPResponseHead(version: head.version, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        if head.method != .HEAD, !answer.body.isEmpty {
            let body = context.channel.allocator.buffer(string: answer.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { [exchange] _ in
            self.answered(exchange, keepsAlive: keepsAlive)
        }
        // Before the flush: what it writes at once may lead to the next request at once.
        requestBytes = 0
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
    }

    private func answered(_ number: Int, keepsAlive: Bool) {
        guard keepsAlive, !closesAfterAnswer else { return close() }
        // Otherwise a request that came meanwhile has taken over already.
        if phase == .answering, number == exchange { enter(.waiting, limits.idleTime) }
    }
}

/// Counts the bytes of requests before they are parsed.
final class RequestBudget: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: HTTPConnection

    init(_ connection: HTTPConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connection.received(unwrapInboundIn(data).readableBytes) { context.fireChannelRead(data) }
    }
}

/// The connections of one server. Stays on its event loop.
final class ConnectionTable {
    let limits: HTTPLimits
    private var connections: [ObjectIdentifier: HTTPConnection] = [:]
    private var isFinishing = false
    private var drained: [EventLoopPromise<Void>] = []

    init(limits: HTTPLimits) { self.limits = limits }

    func admit(_ connection: HTTPConnection) {
        if connections.count >= limits.connections {
            let quiet = connections.values.filter { !$0.isAnswering }
            (quiet.min { $0.quietSince < $1.quietSince } ?? connection).close()
        }
        connections[ObjectIdentifier(connection)] = connection
        if isFinishing { connection.finish() }
    }

    func remove(_ connection: HTTPConnection) {
        connections[ObjectIdentifier(connection)] = nil
        if connections.isEmpty { complete() }
    }

    /// Lets requests in flight end, for a while.
    func finish(on loop: any EventLoop) -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        drained.append(promise)
        if !isFinishing {
            isFinishing = true
            for connection in Array(connections.values) { connection.finish() }
            loop.assumeIsolated().scheduleTask(in: TimeAmount(limits.closingTime)) {
                for connection in Array(self.connections.values) { connection.close() }
            }
        }
        if connections.isEmpty { complete() }
        return promise.futureResult
    }

    private func complete() {
        let waiting = drained
        drained = []
        for promise in waiting { promise.succeed() }
    }
}
