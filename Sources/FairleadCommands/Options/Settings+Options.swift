import ArgumentParser
import KubernetesConfiguration
import KubernetesModel
import Logging
import NodeAgent

extension Settings {
    /// Joins options and file, and logs what is not as it should be.
    ///
    /// - Parameters:
    ///   - others: options that not every command has.
    ///   - failure: what to end with if the file cannot be used.
    init(
        file: FileOptions, source: SourceOptions, node: NodeOptions, log: LogOptions,
        others: [any KubeProxyOptions] = [], failure: ExitCode = .failure, showsTime: Bool = false
    ) throws {
        var draft = try Self.read(file, log.logger(showsTime: showsTime), failure)
        let alone = file.config.map { [draft] path in (path, draft.configuration) }
        let given = ([source, node] + others).flatMap(\.given)
        do throws(ConfigurationError) { try draft.apply(given) } catch { throw ValidationError("\(error)") }
        var own = node.own
        own.arguments = ([node] + others).flatMap(\.ownArguments)
        self.init(
            draft, file: alone, own: own, logger: log.logger(draft.configuration.logging, showsTime: showsTime))
        try report(failure)
    }

    private static func read(
        _ file: FileOptions, _ logger: Logger, _ failure: ExitCode
    ) throws -> ConfigurationDraft {
        guard let path = file.config else { return ConfigurationDraft() }
        do throws(ConfigurationError) { return try ConfigurationDraft(file: path) } catch {
            logger.error("\(error)")
            throw failure
        }
    }

    /// A mistake on the command line is wrong usage, one in the file a failure.
    private func report(_ failure: ExitCode) throws {
        for warning in draft.warnings { logger.warning("\(warning)") }
        let problems = draft.problems
        if let mistake = problems.first(where: { $0.place.hasPrefix("--") }) { throw ValidationError("\(mistake)") }
        for problem in problems { logger.error("\(problem)") }
        if !problems.isEmpty { throw failure }
        for remark in draft.ineffective { logger.notice("\(remark)") }
    }
}

extension SourceOptions {
    /// Where the objects come from. What is wrong with it has been logged.
    ///
    /// - Parameters:
    ///   - settings: with the configuration that holds where these options are silent.
    ///   - failure: what to end with if a file cannot be used.
    func choose(_ settings: Settings, failure: ExitCode = .failure) throws -> SourceChoice {
        let choice: SourceChoice
        do {
            choice = try choose(settings.configuration.clientConnection)
        } catch let error as ConfigurationError {
            if error.place.hasPrefix("--") { throw ValidationError("\(error)") }
            settings.logger.error("\(error)")
            throw failure
        }
        switch choice {
        case .manifests:
            if !settings.configuration.clientConnection.kubeconfig.isEmpty {
                settings.logger.notice(
                    "\(settings.draft.message("clientConnection.kubeconfig", "is not read: there is --manifests"))")
            }
        case .api(let connection):
            for remark in connection.remarks { settings.logger.warning("\(remark)") }
        }
        return choice
    }
}

extension NodeOptions {
    /// What kube-proxy has no option for.
    fileprivate var own: Settings.Own {
        var own = Settings.Own()
        own.strictLocal = strictLocal
        own.preservesLocalSource = preserveLocalSource
        own.servesLocalhostNodePorts = localhostNodeports
        own.countsConnections = serviceCounters
        own.countsTraffic = serviceTraffic
        own.leavesExternalIPs = noExternalIps
        own.resetsGoneEndpoints = resetGoneEndpoints
        own.drainTaints = (try? readDrainTaints()) ?? DrainTaints()
        return own
    }
}
