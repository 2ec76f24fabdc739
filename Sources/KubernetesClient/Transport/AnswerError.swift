import AsyncHTTPClient
import FoundationEssentials
import KubernetesWire
import NIOCore
import NIOHTTP1

extension APIError {
    /// An answer that is no success: a Status as protobuf or JSON, or plain text from a proxy or a filter of the server.
    init(answer response: HTTPClientResponse, _ type: String, _ body: inout APIBody) async {
        let code = Int(response.status.code)
        // Whatever is wrong with the body: the status code counts.
        let content = (try? await body.collect(limit: 1 << 20)) ?? ByteBuffer()
        let status = Self.status(
            Array(content.readableBytesView), type, code: code, phrase: response.status.reasonPhrase)
        let header = response.headers.first(name: "Retry-After").flatMap { Int($0) }
        self.init(
            .answer(status), Self.describe(status), retryAfter: Self.wait(header ?? status.retryAfterSeconds))
    }

    /// An error in the middle of a watch.
    init(status: APIStatus) {
        self.init(.answer(status), Self.describe(status), retryAfter: Self.wait(status.retryAfterSeconds))
    }

    private static func wait(_ seconds: Int?) -> Duration? { seconds.map { .seconds(max(0, $0)) } }

    private static func describe(_ status: APIStatus) -> String {
        let text = status.message.isEmpty ? status.reason : status.message
        return text.isEmpty ? "\(status.code)" : "\(status.code) \(oneLine(text))"
    }

    /// What a body says that came with an HTTP status of 400 or more.
    static func status(_ bytes: [UInt8], _ type: String, code: Int, phrase: String) -> APIStatus {
        if type.hasPrefix("application/vnd.kubernetes.protobuf"), var status = try? APIStatus(body: bytes) {
            // The code of HTTP is what all others act upon.
            status.code = code
            return status
        }
        if type.hasPrefix("application/json"),
            let document = try? JSONDecoder().decode(StatusDocument.self, from: Data(bytes)), document.kind == "Status"
        {
            return APIStatus(
                code: code, reason: document.reason ?? "", message: document.message ?? "",
                retryAfterSeconds: document.details?.retryAfterSeconds)
        }
        let text = oneLine(String(decoding: bytes.prefix(300), as: UTF8.self))
        return APIStatus(code: code, reason: "", message: text.isEmpty ? phrase : text, retryAfterSeconds: nil)
    }
}

/// A `v1` Status as JSON.
private struct StatusDocument: Decodable {
    struct Details: Decodable { var retryAfterSeconds: Int? }

    var kind: String?
    var reason: String?
    var message: String?
    var details: Details?
}
