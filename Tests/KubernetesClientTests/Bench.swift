import APIServerKit
import FairleadTestKit
import KubernetesConfiguration
import KubernetesModel
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import KubernetesClient

/// A namespace with a server and a client in it.
final class Bench: Sendable {
    /// What the client logs, at all levels.
    final class Journal: Sendable {
        private let content = Mutex<[String]>([])
        var lines: [String] { content.withLock { $0 } }
        fileprivate func append(_ line: String) { content.withLock { $0.append(line) } }
    }

    private struct Handler: LogHandler {
        let journal: Journal
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { journal.append("\(event.level): \(event.message)") }
    }

    let namespace: NetworkNamespace
    let server: FakeAPIServer
    let authority: CertificateAuthority
    let logger: Logger
    let journal = Journal()
    private let group: MultiThreadedEventLoopGroup

    /// Serializes nothing: authorities are costly, so all tests share one.
    private static let shared = Shared { () async throws(TestKitError) in
        let authority = try await CertificateAuthority()
        return (authority, try await authority.server())
    }

    private init(isSecure: Bool) async throws {
        let (authority, certificate) = try await Self.shared.value()
        self.authority = authority
        namespace = try NetworkNamespace("api")
        server = try await FakeAPIServer(in: namespace, certificate: isSecure ? certificate : nil)
        group = try await namespace.perform { () throws(TestKitError) in MultiThreadedEventLoopGroup(numberOfThreads: 1)
        }
        logger = Logger(label: "test") { [journal] _ in Handler(journal: journal) }
    }

    /// Runs a test and takes everything down.
    static func run(isSecure: Bool = true, _ body: (Bench) async throws -> Void) async throws {
        let bench = try await Bench(isSecure: isSecure)
        do {
            try await body(bench)
        } catch {
            await bench.stop()
            throw error
        }
        await bench.stop()
    }

    private func stop() async {
        await server.stop()
        try? await group.shutdownGracefully()
    }

    /// The settings of a client that trusts the server.
    var settings: ConnectionSettings {
        var settings = ConnectionSettings(server: server.url)
        settings.certificateAuthority = .file(authority.authority.certificatePath)
        return settings
    }

    var options: ConnectionOptions {
        var options = ConnectionOptions()
        options.version = "1.2.3"
        options.environment = ["PATH": "/usr/bin:/bin"]
        options.group = group
        return options
    }

    /// Runs a closure with a connection, which is shut down afterwards.
    func withConnection<Result>(
        _ settings: ConnectionSettings? = nil, options: ConnectionOptions? = nil,
        _ body: (APIConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try APIConnection(settings ?? self.settings, options: options ?? self.options, logger: logger)
        do {
            let result = try await body(connection)
            await connection.shutdown()
            return result
        } catch {
            await connection.shutdown()
            throw error
        }
    }

    /// Asks for the nodes on a new connection; whether that is what comes.
    func isAnswered(_ settings: ConnectionSettings, options: ConnectionOptions? = nil) async throws -> Bool {
        try await withConnection(settings, options: options) { try await isAnswered(on: $0) }
    }

    /// Asks for the nodes; whether that is what comes.
    func isAnswered(on connection: APIConnection) async throws(APIError) -> Bool {
        try await connection.perform(APIRequest(path: "/api/v1/nodes"), silence: .seconds(60)) {
            (body) async throws(APIError) in
            try await body.collect(limit: 1 << 20).readableBytesView.starts(with: Array("k8s".utf8))
        }
    }
}

/// Waits until something is so; a test that waits too long says where.
func eventually(
    _ what: String, within limit: Duration = .seconds(30), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit * TimeFactor.value
    while try await !condition() {
        if .now > deadline {
            Issue.record("not within \(limit): \(what)", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}
