import Logging

/// What the log says of a reflector: each trouble once while it lasts, and its end.
struct ReflectorJournal {
    private let name: String
    private let logger: Logger
    private let report: SourceReport
    private var trouble: APIError?
    private var since: ContinuousClock.Instant?
    private var hasToldAbsence = false

    init(_ name: String, _ logger: Logger, _ report: @escaping SourceReport) {
        self.name = name
        self.logger = logger
        self.report = report
    }

    /// A request has failed, and the machine has been told.
    mutating func failed(_ error: APIError, _ machine: ReflectorMachine) {
        let delay = machine.delay
        if machine.wasQuestion {
            logger.debug("\(error)", metadata: ["following": "\(name)"])
            return
        }
        if machine.isAbsent {
            let level: Logger.Level = hasToldAbsence ? .debug : .info
            logger.log(level: level, "\(name) cannot be followed and are taken as none: \(error)")
            hasToldAbsence = true
            (trouble, since) = (nil, nil)
            report(name, nil)
            return
        }
        // A watch that has to start again is part of the API's life.
        let isOrdinary = error.statusCode == 410 || (error.cause == .connection && delay == .zero)
        let isKnown = trouble.map { $0.cause == error.cause && $0.detail == error.detail } ?? false
        let level: Logger.Level = isOrdinary ? .info : isKnown ? .debug : .warning
        logger.log(
            level: level, "\(error)",
            metadata: ["following": "\(name)", "retry": "\(Self.seconds(delay))"])
        guard !isOrdinary else { return }
        trouble = error
        report(name, error)
        if since == nil { since = .now }
    }

    /// The server has told something.
    mutating func succeeded() {
        guard let since else { return }
        logger.notice(
            "the API server answers again",
            metadata: ["following": "\(name)", "after": "\(Self.seconds(.now - since))"])
        self.since = nil
        trouble = nil
        report(name, nil)
    }

    private static func seconds(_ duration: Duration) -> String {
        "\((duration / .milliseconds(100)).rounded() / 10) s"
    }
}
