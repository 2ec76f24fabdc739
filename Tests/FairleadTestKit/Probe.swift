import NetworkTypes

/// One attempt to reach a server.
public struct Probe: Hashable, Sendable {
    /// Where to.
    public var destination: HostPort
    /// With which protocol.
    public var transport: TransportProtocol
    /// The client's address; nil for the one that the kernel chooses.
    public var source: IPAddress?
    /// The client's port; nil for one that the kernel chooses.
    public var sourcePort: UInt16?
    /// How long to wait before the probe counts as dropped.
    public var timeLimit: Duration

    /// Long enough for an answer on a machine that is busy with other things.
    public static let patient = Duration.seconds(5)
    /// For destinations that are expected to stay silent.
    public static let brief = Duration.milliseconds(350)

    /// Makes a probe.
    public init(
        _ transport: TransportProtocol, to destination: HostPort, source: IPAddress? = nil, sourcePort: UInt16? = nil,
        timeLimit: Duration = Probe.patient
    ) {
        self.transport = transport
        self.destination = destination
        self.source = source
        self.sourcePort = sourcePort
        self.timeLimit = timeLimit
    }
}

/// What became of a probe.
public enum Outcome: Hashable, Sendable {
    /// A server answered.
    case answered(Answer)
    /// Somebody said no.
    case refused(Refusal)
    /// Nobody said anything: the packet was dropped.
    case timedOut
    /// The probe could not be made, or went wrong in a way that no rule of a firewall explains.
    case failed(operation: String, errno: Int32)

    /// The answer, if there was one.
    public var answer: Answer? {
        if case .answered(let answer) = self { answer } else { nil }
    }
}

/// How a probe was refused.
public enum Refusal: Hashable, Sendable {
    /// A TCP RST, or an SCTP ABORT.
    case reset
    /// An ICMP (or ICMPv6) error.
    case icmp(type: UInt8, code: UInt8, family: IPFamily)

    /// Whether it is the ICMP error that says "port unreachable".
    public var isPortUnreachable: Bool {
        switch self {
        case .reset: false
        case .icmp(let type, let code, let family): family == .ipv4 ? (type, code) == (3, 3) : (type, code) == (1, 4)
        }
    }
}

extension Refusal: CustomStringConvertible {
    /// `reset`, `port unreachable` or the ICMP numbers.
    public var description: String {
        switch self {
        case .reset: "reset"
        case .icmp where isPortUnreachable: "port unreachable"
        case .icmp(let type, let code, let family): "\(family == .ipv4 ? "ICMP" : "ICMPv6") type \(type) code \(code)"
        }
    }
}

extension Outcome: CustomStringConvertible {
    /// A few words.
    public var description: String {
        switch self {
        case .answered(let answer): "answered by \(answer)"
        case .refused(let refusal): "refused (\(refusal))"
        case .timedOut: "no answer"
        case .failed(let operation, let errno):
            "failed (\(TestKitError.system(operation: operation, errno: errno)))"
        }
    }
}

/// How often each outcome came up.
public struct Tally: Sendable {
    /// All outcomes, in no order.
    public private(set) var outcomes: [Outcome]

    /// Makes a tally.
    public init(_ outcomes: [Outcome] = []) { self.outcomes = outcomes }

    /// Adds outcomes.
    public mutating func add(_ more: [Outcome]) { outcomes += more }

    /// All answers.
    public var answers: [Answer] { outcomes.compactMap(\.answer) }

    /// The number of answers of each server.
    public var servers: [String: Int] { Dictionary(answers.map { ($0.server, 1) }, uniquingKeysWith: +) }

    /// Every source address that a server saw.
    public var sources: Set<IPAddress> { Set(answers.map(\.source.address)) }
}

extension Tally: CustomStringConvertible {
    /// Each different outcome with its count; answers are told apart by server and source address only.
    public var description: String {
        let words = outcomes.map { outcome in
            outcome.answer.map { "\($0.server):\($0.local.port) (saw \($0.source.address))" } ?? "\(outcome)"
        }
        let counts = Dictionary(words.map { ($0, 1) }, uniquingKeysWith: +)
        return counts.sorted { $0.key < $1.key }.map { "\($0.value) x \($0.key)" }.joined(separator: ", ")
    }
}

extension NetworkNamespace {
    /// Makes all probes at once. Blocks until the last one is over; for tasks see ``probe(_:)``.
    public func probeNow(_ probes: [Probe]) throws(TestKitError) -> [Outcome] {
        try run { () throws(TestKitError) in ProbeBatch.run(probes) }
    }

    /// Makes all probes at once without blocking the caller's thread; the outcomes are in the order of the probes.
    public func probe(_ probes: [Probe]) async throws(TestKitError) -> [Outcome] {
        try await perform { () throws(TestKitError) in ProbeBatch.run(probes) }
    }

    /// Makes the same probe `count` times at once.
    public func tally(_ probe: Probe, count: Int) async throws(TestKitError) -> Tally {
        Tally(try await self.probe(Array(repeating: probe, count: count)))
    }
}
