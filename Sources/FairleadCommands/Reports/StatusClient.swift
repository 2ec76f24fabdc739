import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NodeAgent
import SystemSupport
import Telemetry

/// Asks a daemon how it is.
struct StatusClient {
    /// Why there is no answer.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Where the daemon tells its metrics, without a slash at the end.
    let server: String

    /// Lives as long as the process. Nobody there is an answer: it is not tried again.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// What a status may have, by far.
    private static let sizeLimit = 16 << 20
    private static let timeout = TimeAmount.seconds(10)

    /// - Parameter text: `http://ADDRESS:PORT`, or without `http://`.
    init?(_ text: String) {
        var server = text
        if !server.contains("://") { server = "http://" + server }
        while server.hasSuffix("/") { server.removeLast() }
        guard server.hasPrefix("http://") || server.hasPrefix("https://"), server.split(separator: "/").count == 2
        else {
            return nil
        }
        self.server = server
    }

    /// The status now, and the JSON that it came as.
    func status() async throws(Failure) -> (status: NodeStatus, json: String) {
        let (code, body) = try await get("/api/v1/status")
        switch code {
        case 200: break
        case 403: throw Failure(description: "\(server) refuses: give --server an IP address or localhost")
        case 404:
            throw Failure(
                description: "\(server) tells no status: it is no fairlead, an older one, or one that runs with "
                    + "--status-page=false")
        default: throw Failure(description: "\(server) answers with HTTP status \(code)")
        }
        guard let status = try? StatusJSON.value(NodeStatus.self, body.readableBytesView) else {
            throw Failure(description: "\(server) answers with something else than the status of a fairlead")
        }
        return (status, String(buffer: body))
    }

    private func get(_ path: String) async throws(Failure) -> (code: UInt, body: ByteBuffer) {
        do {
            var request = HTTPClientRequest(url: server + path)
            request.headers.add(name: "Accept", value: "application/json")
            let response = try await Self.client.execute(request, timeout: Self.timeout)
            return (response.status.code, try await response.body.collect(upTo: Self.sizeLimit))
        } catch {
            throw Failure(
                description: "no daemon answers at \(server): \(Self.reason(error)). Is 'fairlead run' running on this "
                    + "node, and is --server its --metrics-bind-address (default 127.0.0.1:10249)?")
        }
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? HTTPClientError { return error == .connectTimeout ? "timed out" : "\(error)" }
        if let error = error as? NIOConnectionError {
            return error.connectionErrors.first.map { reason($0.error) } ?? "cannot connect"
        }
        if let error = error as? IOError { return SystemError.text(error.errnoCode) }
        return "\(error)"
    }
}
