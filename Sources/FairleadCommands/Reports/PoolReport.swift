import KubernetesModel
import LoadBalancing
import Logging
import NetworkTypes
import NodeAgent
import Terminal

/// Prints the pools of a Service as they change, and keeps a backend of HAProxy in line with one.
actor PoolReport {
    private let request: PoolRequest
    private let form: LBPool.Form
    private let backend: String
    private let haproxy: HAProxySocket?
    private let options: String
    private let file: PoolFile?
    /// Whether there will be another look.
    private let looksAgain: Bool
    /// What programs are told that ask over HTTP.
    nonisolated let board = PoolBoard()
    private let logger: Logger

    private var cluster = ClusterState()
    private var findings: [Finding] = []
    private var pools: [NodePool] = []
    private var problem: String?
    /// What stands in the way with HAProxy; said once.
    private var trouble: String?
    /// What is wrong with single servers of HAProxy, by their names.
    private var serverTroubles: [String: String] = [:]
    /// Servers that HAProxy had otherwise at the last look, though it refused nothing.
    private var unsettled: Set<String> = []
    private var leftAlone: [String] = []
    private var mustTell = false
    private var isTelling = false

    init(
        _ request: PoolRequest, form: LBPool.Form, backend: String, haproxy: HAProxySocket?, options: String,
        file: PoolFile? = nil, looksAgain: Bool = false, logger: Logger
    ) {
        self.request = request
        self.form = form
        self.backend = backend
        self.haproxy = haproxy
        self.options = options
        self.file = file
        self.looksAgain = looksAgain
        self.logger = logger
    }

    /// Whether the pools are known, and HAProxy has what it should.
    var isInLine: Bool {
        problem == nil && trouble == nil && serverTroubles.isEmpty && unsettled.isEmpty && !pools.isEmpty
    }

    /// Takes news of the objects. Before everything is known, and while an object of the Service is invalid, nothing
    /// changes: a load balancer that goes on with what it has does less harm than one without nodes.
    func take(_ update: ClusterUpdate) async {
        _ = cluster.apply(update.changes)
        let news = update.findings.filter { !findings.contains($0) && $0.concerns(request.service) }
        ObjectLog.report(news, logger)
        findings = update.findings
        guard update.readiness == .complete, !update.heldServices.contains(request.service) else { return }
        do throws(PoolProblem) {
            let pools = try cluster.pools(request)
            if haproxy != nil || form == .haproxy,
                pools.count > 1 || pools.contains(where: { $0.port.transport != .tcp })
            {
                return complain("\(pools.ambiguity)")
            }
            problem = nil
            let changed = pools.filter { !self.pools.contains($0) }
            // A pool that is gone changes the whole text, too.
            let isOther = pools != self.pools
            self.pools = pools
            await board.publish(pools)
            if let configuration = form.configuration, haproxy == nil {
                if isOther || trouble != nil { write(configuration.text(pools)) }
            } else if haproxy == nil {
                print(changed)
            } else {
                await tell()
            }
        } catch {
            complain("\(error)")
        }
    }

    /// Looks whether HAProxy still has what it was told.
    func lookAgain() async { if problem == nil, !pools.isEmpty { await tell() } }

    private func complain(_ text: String) {
        if problem != text { logger.error("\(text)") }
        problem = text
    }

    private func print(_ pools: [NodePool]) {
        let stdout = StandardOutput()
        for pool in pools {
            switch form {
            case .json: stdout.write(PoolJSON.line(pool))
            case .as3, .nginx, .envoy: break
            case .haproxy:
                for command in HAProxyPlan.complete(pool, backend: backend) { stdout.write("\(command)\n") }
            }
        }
    }

    /// Writes a whole text to where it is wanted. What fails is tried again with the next news.
    private func write(_ text: String) {
        guard let file else { return StandardOutput().write(text) }
        do throws(PoolFile.Failure) {
            try file.write(text)
            if trouble != nil { logger.notice("\(file.path) can be written again") }
            trouble = nil
        } catch {
            if trouble != "\(error)" { logger.error("\(error)") }
            trouble = "\(error)"
        }
    }

    /// Sees to it that HAProxy has the last pool. One at a time: who comes meanwhile has it done once more.
    private func tell() async {
        mustTell = true
        guard !isTelling else { return }
        isTelling = true
        while mustTell {
            mustTell = false
            await tellOnce()
        }
        isTelling = false
    }

    /// Asks HAProxy what it has, and tells it what it lacks. What fails is tried again at the next look.
    private func tellOnce() async {
        guard let haproxy, let pool = pools.first else { return }
        do {
            var pass = HAProxyPass(pool, backend: backend, options: options) { try await haproxy.ask($0) }
            try await pass.run { StandardOutput(isResult: false).write("\($0)\n") }
            if !pass.unsettled.isEmpty {
                // Others may have changed servers while this was told: what is still not so after one more try, is said.
                pass = HAProxyPass(pool, backend: backend, options: options) { try await haproxy.ask($0) }
                try await pass.run { StandardOutput(isResult: false).write("\($0)\n") }
            }
            if pass.leftAlone != leftAlone, !pass.leftAlone.isEmpty {
                logger.notice("left in maintenance, as somebody set it: \(pass.leftAlone.joined(separator: ", "))")
            }
            leftAlone = pass.leftAlone
            settle(pass)
            if trouble != nil { logger.notice("HAProxy answers again") }
            trouble = nil
        } catch {
            if trouble != "\(error)" { logger.error("\(error)") }
            trouble = "\(error)"
        }
    }

    /// Says what is wrong with single servers: once, and once more when it is over. That somebody else changes a server is
    /// said when it is so at two looks: two programs that follow one Service do not read its objects at one time.
    private func settle(_ pass: HAProxyPass) {
        var now = pass.refusals.mapValues { "\($0)" }
        let before = unsettled
        unsettled = Set(pass.unsettled.map(\.server))
        for step in pass.unsettled where !looksAgain || before.contains(step.server) {
            let commands = step.commands.joined(separator: "; ")
            now[step.server] = "HAProxy was told \"\(commands)\" and has it otherwise: does somebody else change it?"
        }
        for (server, text) in now.sorted(by: { $0.key < $1.key }) where serverTroubles[server] != text {
            logger.error("server \(backend)/\(server): \(text)")
        }
        for server in serverTroubles.keys.sorted() where now[server] == nil {
            logger.notice("server \(backend)/\(server): HAProxy has it as it should be")
        }
        serverTroubles = now
    }
}

extension [NodePool] {
    /// Why these cannot be the servers of one backend.
    fileprivate var ambiguity: String {
        if let pool = first(where: { $0.port.transport != .tcp }), count == 1 {
            return
                "Service \(pool.service): port \(pool.port.port) is \(pool.port.transport), which HAProxy does not balance"
        }
        let names = map { "--port \($0.port.name.isEmpty ? "\($0.port.port)" : $0.port.name) --family \($0.family)" }
        return "a backend has the nodes of one pool, and there are \(count): say which, such as \(names[0])"
    }
}

extension Finding {
    /// Whether the finding is about the Service or nodes.
    fileprivate func concerns(_ service: ObjectKey) -> Bool {
        guard let subject else { return true }
        return switch subject.kind {
        case .service: subject.key == service
        case .node: true
        case .endpointSlice: heldService == service || subject.key.namespace == service.namespace
        case .serviceCIDR: false
        }
    }
}
