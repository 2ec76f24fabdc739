import NIOCore
import NIOHTTP1
import Telemetry

/// One connection of a client: reads requests one after the other and answers each. Stays on its event loop.
final class HTTPConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase { case waiting, receiving, answering, refused }

    private let table: ConnectionTable
    private let respond: HTTPResponder
    private var context: ChannelHandlerContext?
    private var phase = Phase.waiting
    private var head: HTTPRequestHead?
    private var requestBytes = 0
    private var closesAfterAnswer = false
    /// Whether the client has said that it sends no more.
    private var inputHasEnded = false
    /// The status for what came after the requests that are still to be answered, and is none.
    private var refusal: Int?
    /// Requests that are there to their end and not answered.
    var pending = 0
    /// What the requests come through.
    weak var gate: RequestGate?
    /// The number of the last request that was read whole.
    private var exchange = 0
    private var deadline: Scheduled<Void>?
    /// What works on the answer. It is cancelled once nobody may be there to read it.
    private var responding: Task<Void, Never>?
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
        responding?.cancel()
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
            if head.asksForAnotherProtocol { closesAfterAnswer = true }
            if head.expectsContinue {
                // The client waits for a word before it sends the body, which nobody reads: it gets the answer.
                closesAfterAnswer = true
                answer(context)
            }
        case .body: return
        case .end: answer(context)
        }
    }

    /// The client sends no more; it may still read answers.
    ///
    /// - Parameter withinRequest: whether the end of a request is missing.
    func inputEnded(withinRequest: Bool) {
        inputHasEnded = true
        // Most clients that end so are gone, others get an answer that need not wait for anything.
        responding?.cancel()
        if phase == .refused {
            close()
        } else if withinRequest {
            refuse(400)
        } else if pending == 0, phase != .answering {
            close()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Answers

    /// What came is no request that can be answered: says so once those before it are answered, and closes.
    func refuse(_ status: Int) {
        gate?.end()
        guard refusal == nil else { return }
        refusal = status
        if pending == 0, phase != .answering { sendRefusal(status) }
    }

    /// As Go's server words it. The connection is closed a moment later: at once, what the client still sends would be
    /// answered by a reset, which can take the answer from it.
    private func sendRefusal(_ status: Int) {
        enter(.refused, limits.refusalTime)
        let reason = HTTPResponseStatus(statusCode: status).reasonPhrase
        let body = "\(status) \(reason)"
        let text =
            "HTTP/1.1 \(body)\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
            + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
        gate?.send(text)?.assumeIsolated().whenComplete { _ in
            if self.inputHasEnded { self.close() } else { self.gate?.closeOutput() }
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        guard let head else { return }
        self.head = nil
        exchange += 1
        enter(.answering, limits.answerTime)
        var request = HTTPRequest(
            method: head.method.rawValue, target: head.uri, host: head.headers.first(name: "Host"))
        let accepts = head.headers["Accept"]
        if !accepts.isEmpty { request.accept = accepts.joined(separator: ",") }
        let promise = context.eventLoop.makePromise(of: HTTPAnswer.self)
        responding = promise.completeWithTask { [respond, request] in await respond(request) }
        if inputHasEnded { responding?.cancel() }
        promise.futureResult.assumeIsolated().whenSuccess { self.send($0, to: head) }
    }

    /// Header names, their order and `Connection` are as Go's HTTP library has them.
    private func send(_ answer: HTTPAnswer, to head: HTTPRequestHead) {
        guard let context else { return }
        let isTheEnd = inputHasEnded && pending <= 1 && refusal == nil
        let keepsAlive = head.isKeepAlive && !closesAfterAnswer && !isTheEnd
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
        pending -= 1
        guard keepsAlive, !closesAfterAnswer else { return close() }
        if let refusal, pending <= 0 { return sendRefusal(refusal) }
        if inputHasEnded, pending <= 0 { return close() }
        // Otherwise a request that came meanwhile has taken over already.
        if phase == .answering, number == exchange { enter(.waiting, limits.idleTime) }
    }
}

extension HTTPRequestHead {
    /// Whether the client sends the body only when it is told to.
    fileprivate var expectsContinue: Bool {
        version.major == 1 && version.minor >= 1
            && headers[canonicalForm: "Expect"].contains { $0.lowercased() == "100-continue" }
    }
}
