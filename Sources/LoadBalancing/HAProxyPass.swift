/// One look at HAProxy: asks what servers it has, tells it what differs from a pool, and sees what it has then.
///
/// Whether a command was carried out is decided by what HAProxy has afterwards, not by the words that it answers with: they
/// differ between versions, and others may change the same servers at the same time. What one server is refused costs
/// the others nothing.
public struct HAProxyPass: Sendable {
    /// Sends a command to HAProxy and returns its answer.
    public typealias Ask = @Sendable (_ command: String) async throws -> String

    private let pool: NodePool
    private let backend: String
    private let options: String
    private let ask: Ask

    /// The commands that HAProxy took, in their order.
    public private(set) var taken: [String] = []
    /// What HAProxy answered to commands that it did not carry out, by the name of the server.
    public private(set) var refusals: [String: HAProxyAnswerError] = [:]
    /// What servers are still to be told, though HAProxy refused nothing: somebody else has changed them meanwhile.
    public private(set) var unsettled: [HAProxyPlan.Step] = []
    /// Servers that are to stay as an operator set them (maintenance).
    public private(set) var leftAlone: [String] = []

    /// Prepares a pass; the parameters are those of ``HAProxyPlan``.
    public init(_ pool: NodePool, backend: String, options: String = "", ask: @escaping Ask) {
        self.pool = pool
        self.backend = backend
        self.options = options
        self.ask = ask
    }

    /// Looks, tells and looks again.
    ///
    /// - Parameter told: is given each command as soon as HAProxy has taken it.
    /// - Throws: what ``Ask`` throws, and `HAProxyAnswerError` if HAProxy does not say which servers it has.
    public mutating func run(told: @Sendable (String) async -> Void) async throws {
        let plan = try await look()
        leftAlone = plan.leftAlone
        guard !plan.steps.isEmpty else { return }
        for step in plan.steps { try await carryOut(step, told) }
        unsettled = try await look().steps.filter { refusals[$0.server] == nil }
    }

    private func look() async throws -> HAProxyPlan {
        let answer = try await ask(HAProxyWords.serversQuestion(backend))
        let servers = try HAProxyWords.servers(answer, backend: backend)
        return HAProxyPlan(pool, servers: servers, backend: backend, options: options)
    }

    private mutating func carryOut(
        _ step: HAProxyPlan.Step, _ told: @Sendable (String) async -> Void
    ) async throws {
        for commands in step.isNew ? [step.commands] : step.commands.map({ [$0] }) {
            let line = commands.joined(separator: "; ")
            let answer = try await ask(line)
            if !HAProxyWords.isSuccess(answer) {
                let left = try await look().step(of: step.server)
                // Somebody has removed it meanwhile.
                if let left, left.isNew, !step.isNew { return }
                // A server that was added, but not all that was said about it was taken.
                let isPartial = step.isNew && answer.hasPrefix(HAProxyWords.registered)
                if isPartial || left.map({ $0.isNew ? step.isNew : $0.commands.contains(line) }) ?? false {
                    refusals[step.server] = HAProxyAnswerError(command: line, answer: answer)
                    return
                }
            }
            for command in commands {
                taken.append(command)
                await told(command)
            }
        }
    }
}
