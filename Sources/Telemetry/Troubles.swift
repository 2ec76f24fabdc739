/// Why the node is not in line with the cluster, or may not stay so: each reason as long as it holds.
public struct Troubles: Hashable, Sendable {
    /// What kind of trouble it is.
    public enum Code: String, Codable, Hashable, Sendable, CaseIterable {
        /// The API server does not tell of a kind of objects.
        case source
        /// A manifest cannot be read.
        case manifest
        /// There is no Node object of the node's name.
        case missingNode = "missing-node"
        /// The node is about to be removed.
        case leavingNode = "leaving-node"
        /// The kernel refuses a commit.
        case kernel
        /// A change has waited for too long.
        case late
        /// Another program keeps changing the tables.
        case contested
        /// Services are left as they are because an object of theirs is invalid.
        case heldServices = "held-services"
        /// Services are left as they are because the kernel refuses an element of theirs.
        case refusedServices = "refused-services"
        /// A server cannot listen.
        case listen
        /// The first lists of objects are not complete.
        case starting
    }

    /// What has the trouble: one reason each.
    public struct Place: Hashable, Sendable, Comparable {
        /// The kind.
        public var code: Code
        /// What it is about, where there can be several of a kind: a kind of objects, a file, an address.
        public var subject: String

        /// Makes a place.
        public init(_ code: Code, _ subject: String = "") {
            self.code = code
            self.subject = subject
        }

        /// In the order of the codes.
        public static func < (left: Place, right: Place) -> Bool {
            let ranks = Code.allCases
            let (first, second) = (ranks.firstIndex(of: left.code) ?? 0, ranks.firstIndex(of: right.code) ?? 0)
            return (first, left.subject) < (second, right.subject)
        }
    }

    /// A reason.
    public struct Trouble: Hashable, Sendable {
        /// What is wrong, one line without a period.
        public var text: String
        /// Since when it is so, whatever became of its text.
        public var since: Moment
    }

    private var standing: [Place: Trouble] = [:]

    /// No trouble.
    public init() {}

    /// A trouble begins, or goes on with another text.
    public mutating func note(_ code: Code, of subject: String = "", _ text: String, at now: Moment) {
        let place = Place(code, subject)
        standing[place] = Trouble(text: text, since: standing[place]?.since ?? now)
    }

    /// A trouble is over, if there was one.
    ///
    /// - Returns: whether there was.
    @discardableResult
    public mutating func end(_ code: Code, of subject: String = "") -> Bool {
        standing.removeValue(forKey: Place(code, subject)) != nil
    }

    /// A trouble holds or does not.
    public mutating func set(_ code: Code, of subject: String = "", _ text: String?, at now: Moment) {
        if let text { note(code, of: subject, text, at: now) } else { end(code, of: subject) }
    }

    /// Those of a kind are over, but for these subjects.
    public mutating func endAll(_ code: Code, except subjects: Set<String> = []) {
        for place in standing.keys where place.code == code && !subjects.contains(place.subject) {
            standing[place] = nil
        }
    }

    /// All that hold, in the order of their codes.
    public var all: [(place: Place, trouble: Trouble)] {
        standing.sorted { $0.key < $1.key }.map { (place: $0.key, trouble: $0.value) }
    }

    /// Whether there are none.
    public var isEmpty: Bool { standing.isEmpty }
}

/// Says again what still holds, after a while: a log is read from its end.
public struct TroubleReminder: Sendable {
    /// The time from one line to the next.
    public let interval: Duration
    private var told: [Troubles.Place: (since: Moment, at: Moment)] = [:]

    /// Makes a reminder that has said nothing. The first line of a trouble is for whoever notes it.
    public init(interval: Duration = .seconds(300)) { self.interval = interval }

    /// Those to be said again now.
    public mutating func due(_ troubles: Troubles, at now: Moment) -> [(
        place: Troubles.Place, trouble: Troubles.Trouble
    )] {
        let all = troubles.all
        let before = told
        told = [:]
        return all.filter { place, trouble in
            let known = before[place].flatMap { $0.since == trouble.since ? $0.at : nil }
            let isDue = now.uptime - (known ?? trouble.since).uptime >= interval
            told[place] = (since: trouble.since, at: isDue ? now : known ?? trouble.since)
            return isDue
        }
    }
}
