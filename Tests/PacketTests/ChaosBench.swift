import APIServerKit
import DataplaneTestKit
import FairleadTestKit
import Foundation
import Glibc

/// One thing that goes wrong around a daemon.
enum Mischief: CaseIterable, Sendable {
    // The API server.
    case cutConnections, absence, expiredHistory, garbageInWatches, halfAnEvent, serverErrors, tooManyRequests, gone
    case garbageInLists, hangUps, newServerCertificate
    // The files that say how to reach it.
    case newToken, cutToken, garbageToken, cutAuthority, garbageAuthority, cutKubeconfig, garbageKubeconfig
    // The configuration file.
    case cutConfiguration, garbageConfiguration, otherConfiguration
    // Manifests.
    case cutManifests, garbageManifests, emptyManifests, noManifests, garbageSteady
    // The daemon itself.
    case killed

    private static let ofManifestsOnly: [Mischief] = [
        .cutManifests, .garbageManifests, .emptyManifests, .noManifests, .garbageSteady,
    ]
    static let ofManifests = ofManifestsOnly + [.cutConfiguration, .garbageConfiguration, .otherConfiguration, .killed]
    static let ofAPI = allCases.filter { !ofManifestsOnly.contains($0) }
}

/// A node whose daemon has its objects from an API server or, the same ones, from files; a supervisor that starts it
/// again; and whatever may go wrong around it.
struct ChaosBench {
    /// Where a daemon has its objects from. One process has one source.
    enum Source: String, Sendable { case api, manifests }

    let fault: FaultBench
    private let server: FakeAPIServer
    private let authority: CertificateAuthority
    private let certificates: [Certificate]
    /// What belongs to the connection, and the configuration file.
    private let files: TemporaryDirectory
    private var random: SeededGenerator
    private var moving = ""
    private var token = 0
    private var configuration = 0
    private var isAway = false
    private var daemon: Daemon?
    /// Whether the daemon is behind `strace`, which has to end it itself: killed, it would leave it alone.
    private var isTraced = false
    private var source = Source.api
    /// How often a daemon was started.
    private(set) var starts = 0

    init(seed: UInt64) async throws {
        random = SeededGenerator(seed: seed)
        fault = try await FaultBench()
        files = try TemporaryDirectory()
        authority = try await CertificateAuthority()
        certificates = [try await authority.server("first"), try await authority.server("second")]
        server = try await FakeAPIServer(in: fault.cluster.node1.namespace, certificate: certificates[0])
        server.cluster.apply(try APIBench.objects(FaultBench.steadyManifests))
        try mendFiles()
        try change()
    }

    /// The options that are the same for both sources.
    private static let node = [
        "--node-name", "node1", "--cluster-cidr", ClusterTopology.clusterCIDRs, "--log-level", "info",
    ]

    private var arguments: [String] {
        let objects = source == .api ? ["--kubeconfig", "\(files.path)/kubeconfig"] : fault.arguments.prefix(2)
        return objects + ["--config", "\(files.path)/config.conf"] + Self.node
    }

    private var kubeconfig: String {
        """
        apiVersion: v1
        kind: Config
        current-context: test
        clusters: [{name: c, cluster: {server: "\(server.url)", certificate-authority: ca.crt}}]
        users: [{name: u, user: {tokenFile: token}}]
        contexts: [{name: test, context: {cluster: c, user: u}}]

        """
    }

    private var configurationText: String {
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\noomScoreAdj: \(configuration)\n"
    }

    // MARK: Life

    /// Starts a daemon, unless one runs.
    ///
    /// - Parameter calls: which of its calls fail, as `strace` takes it.
    mutating func supervise(calls: (fault: String, log: String)? = nil) async throws {
        if let daemon, daemon.isRunning { return }
        starts += 1
        isTraced = calls != nil
        if let calls {
            daemon = try await fault.start(fault: calls.fault, log: calls.log, arguments)
        } else {
            daemon = try await FairleadCommand().start(["run"] + arguments, in: fault.cluster.node1.namespace)
        }
    }

    /// Ends the daemon; the next one has its objects from there.
    mutating func end(_ signal: Int32 = SIGTERM, next: Source) async throws {
        daemon?.signal(isTraced ? SIGTERM : signal)
        _ = try await daemon?.waitForEnd(timeLimit: .seconds(30))
        daemon = nil
        source = next
    }

    var output: String { daemon?.output ?? "" }

    /// Waits for a moment until the daemon serves, which it may be kept from.
    func awaitService() async {
        _ = await eventually(within: .seconds(1)) { [daemon] in daemon?.output.contains("serving") ?? true }
    }

    /// Changes all Services but the steady one, wherever they are told of.
    mutating func change() throws {
        moving = FaultBench.manifests(&random, count: 20)
        try fault.directory.write(moving, to: "moving.yaml")
        server.cluster.apply(try APIBench.objects(moving))
    }

    /// Ends everything that is wrong.
    mutating func mend() async throws {
        try mendFiles()
        try fault.directory.write(FaultBench.steadyManifests, to: "steady.yaml")
        try fault.directory.write(moving, to: "moving.yaml")
        try await comeBack()
    }

    private mutating func comeBack() async throws {
        if isAway { try await server.comeBack() }
        isAway = false
    }

    private func mendFiles() throws {
        try files.write(kubeconfig, to: "kubeconfig")
        try files.write("token-\(token)", to: "token")
        try files.write(authority.authority.certificate, to: "ca.crt")
        try files.write(configurationText, to: "config.conf")
        let accepted = "token-\(token)"
        server.behave { $0.tokens = [accepted] }
    }

    // MARK: Mischief

    private mutating func part(of text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
    }

    private mutating func garbage() -> [UInt8] {
        let count = Int.random(in: 1...4000, using: &random)
        return Array("{[\"".utf8) + (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Has something go wrong. What lasts is mended by ``mend()``.
    mutating func commit(_ mischief: Mischief) async throws {
        switch mischief {
        case .cutConnections: await server.closeConnections()
        case .absence:
            if !isAway { await server.goAway() }
            isAway = true
        case .expiredHistory:
            server.cluster.compact()
            await server.disturb(.expired)
        case .garbageInWatches: await server.disturb(.garbage)
        case .halfAnEvent: await server.disturb(.halfEventThenCut)
        case .serverErrors: await trouble(.status(500, reason: "InternalError"))
        case .tooManyRequests: await trouble(.status(429, reason: "TooManyRequests", retryAfter: 1))
        case .gone: await trouble(.status(410, reason: "Expired"))
        case .garbageInLists: await trouble(.garbage(afterBytes: Int.random(in: 0...300, using: &random)))
        case .hangUps: await trouble(.hangUp)
        case .newServerCertificate:
            try server.use(certificates[Int.random(in: 0...1, using: &random)])
            await server.closeConnections()
        case .newToken:
            token += 1
            let accepted = "token-\(token)"
            server.behave { $0.tokens = [accepted] }
            await server.closeConnections()
            try files.write(accepted, to: "token")
        case .cutToken: try files.overwrite([], "token")
        case .garbageToken: try files.overwrite(garbage(), "token")
        case .cutAuthority: try files.overwrite(part(of: authority.authority.certificate), "ca.crt")
        case .garbageAuthority: try files.overwrite(garbage(), "ca.crt")
        case .cutKubeconfig: try files.overwrite(part(of: kubeconfig), "kubeconfig")
        case .garbageKubeconfig: try files.overwrite(garbage(), "kubeconfig")
        case .cutConfiguration: try files.overwrite(part(of: configurationText), "config.conf")
        case .garbageConfiguration: try files.overwrite(garbage(), "config.conf")
        case .otherConfiguration:
            configuration = (configuration + 1) % 100
            try files.write(configurationText, to: "config.conf")
        case .cutManifests: try fault.directory.overwrite(part(of: moving), "moving.yaml")
        case .garbageManifests: try fault.directory.overwrite(garbage(), "moving.yaml")
        case .emptyManifests: try fault.directory.overwrite([], "moving.yaml")
        case .noManifests: fault.directory.remove("moving.yaml")
        case .garbageSteady: try fault.directory.overwrite(garbage(), "steady.yaml")
        case .killed: try await end(SIGKILL, next: source)
        }
    }

    /// The next requests meet a trouble; all start again.
    private mutating func trouble(_ kind: Trouble.Kind) async {
        server.add(Trouble(kind, times: Int.random(in: 1...4, using: &random)) { $0.kind != nil })
        await server.closeConnections()
    }

    // MARK: Afterwards

    /// Whether the kernel comes to hold what a process that starts now would make of the objects.
    /// A daemon whose configuration has changed ends some seconds later.
    mutating func becomesInLine() async throws -> Bool {
        let end = ContinuousClock.now + .seconds(150)
        while ContinuousClock.now < end {
            try await supervise()
            if try await fault.isInLine() { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }

    /// Whether the objects of the API server come to the same.
    func agreesWithAPI() async throws -> Bool {
        let command = ["diff", "--kubeconfig", "\(files.path)/kubeconfig"] + Self.node
        return try await FairleadCommand().run(command, in: fault.cluster.node1.namespace).status == 0
    }
}
