import KubernetesModel
import NIOCore
import NIOHTTP1
import WireTestKit

/// Answers the requests of one connection.
final class RequestHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    let state: ServerState
    private var request: ReceivedRequest?
    private var keepsAlive = true
    private var watch: (number: Int, stream: AnswerStream)?

    static let protobuf = "application/vnd.kubernetes.protobuf"

    init(_ state: ServerState) { self.state = state }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            var headers: [String: String] = [:]
            for (name, value) in head.headers {
                headers[name.lowercased(), default: ""] += headers[name.lowercased()] == nil ? value : ",\(value)"
            }
            request = ReceivedRequest(method: head.method.rawValue, target: head.uri, headers: headers)
            keepsAlive = head.isKeepAlive
        case .body(let buffer): request?.body += buffer.readableBytesView
        case .end:
            if let request { answer(request, context.channel) }
            request = nil
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        endWatch()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Does to the watch of this connection, if there is one, what a test wants.
    func disturb(_ disturbance: Disturbance, _ kind: ObjectID.Kind?) {
        guard let watch, kind == nil || state.cluster.kind(ofWatch: watch.number) == kind else { return }
        watch.stream.disturb(disturbance)
        if watch.stream.isOver { endWatch() }
    }

    private func endWatch(ifOver stream: AnswerStream) {
        if stream.isOver, watch?.stream === stream { endWatch() }
    }

    private func endWatch() {
        if let watch { state.cluster.endWatch(watch.number) }
        watch = nil
    }

    private func answer(_ request: ReceivedRequest, _ channel: any Channel) {
        endWatch()
        let trouble = state.receive(request)
        let stream = AnswerStream(channel, trouble, keepsAlive: keepsAlive)
        switch trouble {
        case .status(let code, let reason, let message, let retryAfter):
            refuse(stream, code, reason, message, retryAfter: retryAfter)
        case .text(let code, let text):
            stream.begin(.init(statusCode: code), type: "text/plain", length: text.utf8.count)
            stream.send(Array(text.utf8))
            stream.end()
        case .page(let text):
            stream.begin(.ok, type: "text/html", length: text.utf8.count)
            stream.send(Array(text.utf8))
            stream.end()
        case .endless:
            stream.begin(.ok, type: "text/plain")
            let endless = NIOLoopBound(stream, eventLoop: channel.eventLoop)
            let piece = [UInt8](repeating: 0x78, count: 16 << 10)
            channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(1)) { task in
                if channel.isActive { endless.value.send(piece) } else { task.cancel() }
            }
        case .hangUp: stream.cut()
        case .errorEvent(let code, let reason, let message):
            stream.begin(.ok, type: Self.protobuf + ";stream=watch")
            stream.send(WireEncoder.errorFrame(code: code, reason: reason, message: message))
            stream.end()
        case .delay(let milliseconds):
            let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
            let late = NIOLoopBound(stream, eventLoop: channel.eventLoop)
            channel.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {
                bound.value.serve(request, late.value, channel)
            }
        default: serve(request, stream, channel)
        }
    }

    private func refuse(
        _ stream: AnswerStream, _ code: Int, _ reason: String, _ message: String, retryAfter: Int? = nil
    ) {
        var headers = HTTPHeaders()
        if let retryAfter { headers.add(name: "Retry-After", value: "\(retryAfter)") }
        // Authentication comes before the choice of a format.
        let isText = code == 401
        let body =
            isText
            ? Array(
                #"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"\#(message)","reason":"\#(reason)","code":\#(code)}"#
                    .utf8)
            : WireEncoder.status(code: code, reason: reason, message: message, retryAfterSeconds: retryAfter)
        stream.begin(
            .init(statusCode: code), type: isText ? "application/json" : Self.protobuf, headers, length: body.count)
        stream.send(body)
        stream.end()
    }

    private func serve(_ request: ReceivedRequest, _ stream: AnswerStream, _ channel: any Channel) {
        let behaviour = state.behaviour
        if let tokens = behaviour.tokens {
            let token = request.headers["authorization"]?.split(separator: " ").last.map(String.init) ?? ""
            if !tokens.contains(token) { return refuse(stream, 401, "Unauthorized", "Unauthorized") }
        }
        guard let kind = request.kind, kind != .serviceCIDR || behaviour.hasServiceCIDRs else {
            if request.path.hasPrefix("/apis/events.k8s.io/v1/") { return accept(request, stream) }
            return refuse(stream, 404, "NotFound", "the server could not find the requested resource")
        }
        if request.isWatch {
            serveWatch(request, kind, stream, channel)
        } else {
            switch state.cluster.list(request, kind, behaviour) {
            case .success(let body):
                stream.begin(.ok, type: Self.protobuf, length: body.count)
                stream.send(body)
                stream.end()
            case .failure(let refusal): refuse(stream, refusal.code, refusal.reason, refusal.message)
            }
        }
    }

    /// An Event is answered with itself.
    private func accept(_ request: ReceivedRequest, _ stream: AnswerStream) {
        stream.begin(request.method == "POST" ? .created : .ok, type: "application/json", length: request.body.count)
        stream.send(request.body)
        stream.end()
    }

    private func serveWatch(
        _ request: ReceivedRequest, _ kind: ObjectID.Kind, _ stream: AnswerStream, _ channel: any Channel
    ) {
        let behaviour = state.behaviour
        if request.query["sendInitialEvents"] != nil, case .invalid = behaviour.streaming {
            return refuse(
                stream, 422, "Invalid", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch")
        }
        let bound = NIOLoopBound(stream, eventLoop: channel.eventLoop)
        // Under the cluster's lock: what is sent from elsewhere comes after what is sent here.
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        let send: @Sendable ([UInt8]) -> Void = { bytes in
            channel.eventLoop.execute {
                bound.value.send(bytes)
                handler.value.endWatch(ifOver: bound.value)
            }
        }
        let result = state.cluster.beginWatch(request, kind, behaviour) { first in
            channel.eventLoop.execute {
                bound.value.begin(.ok, type: RequestHandler.protobuf + ";stream=watch")
                bound.value.send(first)
                handler.value.endWatch(ifOver: bound.value)
            }
        } send: {
            send($0)
        }
        switch result {
        case .success(let number?):
            watch = (number, stream)
            schedule(request, number, channel)
        case .success(nil): channel.eventLoop.execute { bound.value.end() }
        case .failure(let refusal): refuse(stream, refusal.code, refusal.reason, refusal.message)
        }
    }

    private func schedule(_ request: ReceivedRequest, _ number: Int, _ channel: any Channel) {
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        if let seconds = request.query["timeoutSeconds"].flatMap({ Int64($0) }) {
            channel.eventLoop.scheduleTask(in: .seconds(seconds)) {
                guard let watch = bound.value.watch, watch.number == number else { return }
                watch.stream.end()
                bound.value.endWatch()
            }
        }
        if let milliseconds = state.behaviour.bookmarkMilliseconds, request.query["allowWatchBookmarks"] == "true" {
            let cluster = state.cluster
            channel.eventLoop.scheduleRepeatedTask(
                initialDelay: .milliseconds(milliseconds), delay: .milliseconds(milliseconds)
            ) { task in
                if !cluster.sendBookmark(toWatch: number) { task.cancel() }
            }
        }
    }
}
