import KubernetesModel

/// What advice has to say of one object.
public struct AdviceFinding: Hashable, Sendable {
    /// What was found.
    public var code: AdviceCode
    /// How much it matters.
    public var severity: Finding.Severity
    /// The object that it is about, in nearly all cases a Service.
    public var object: ObjectID
    /// The nodes that it is about, sorted; empty if it is about no particular ones.
    public var nodes: [String] = []
    /// What is wrong, one sentence without a period.
    public var summary: String
    /// What it was seen by.
    public var evidence: [Evidence] = []
    /// What to do, each a choice of its own.
    public var remedies: [String] = []

    /// Makes a finding of the code's own severity.
    public init(_ code: AdviceCode, _ object: ObjectID, severity: Finding.Severity? = nil, summary: String) {
        self.code = code
        self.severity = severity ?? code.severity
        self.object = object
        self.summary = summary
    }
}

/// Something that a finding was seen by: a fact of the cluster, or a guess and what it rests on.
public struct Evidence: Hashable, Sendable {
    /// What the fact is called, for programs; stable, in camel case.
    public var name: String
    /// The number, if it is one.
    public var value: Double?
    /// The fact in words, without a period.
    public var text: String

    /// Makes a fact that is no number.
    public init(_ name: String, _ text: String) { self.init(name, nil, text) }

    /// Makes a fact.
    public init(_ name: String, _ value: Double?, _ text: String) {
        self.name = name
        self.value = value
        self.text = text
    }
}

extension AdviceFinding {
    /// Severe findings first, then by object and code.
    static func precedes(_ left: AdviceFinding, _ right: AdviceFinding) -> Bool {
        if left.severity != right.severity { return left.severity > right.severity }
        if left.object != right.object { return left.object < right.object }
        return (left.code.rawValue, left.summary) < (right.code.rawValue, right.summary)
    }
}

/// How numbers and lists are written.
enum Words {
    /// How many names a sentence has at the most.
    private static let most = 5

    /// A share: `33.3 %`, `50 %`.
    static func percent(_ share: Double) -> String { "\(tenths(share * 100)) %" }

    /// A number with one digit after the point, or none: `1.5`, `3`.
    static func tenths(_ number: Double) -> String {
        let tenths = Int((number * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    /// `1 node`, `2 nodes`.
    static func count(_ number: Int, _ noun: String, _ plural: String? = nil) -> String {
        "\(number) \(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// `a, b and 3 more`.
    static func list(_ names: [String]) -> String {
        let shown = names.count > most + 1 ? Array(names.prefix(most)) : names
        let rest = names.count - shown.count
        if rest > 0 { return shown.joined(separator: ", ") + " and \(rest) more" }
        guard let last = shown.last, shown.count > 1 else { return shown.first ?? "" }
        return shown.dropLast().joined(separator: ", ") + " and " + last
    }
}
