import KubernetesModel

/// What the daemon did to the tables lately, and what it could not do.
public struct SyncJournal: Hashable, Sendable {
    /// One attempt that changed the tables, or that read them whole.
    public struct Commit: Hashable, Sendable {
        /// When it ended.
        public var time: Moment
        /// What it was for: `start`, `change`, `source`, `addresses` or `verification`.
        public var cause: String
        /// From the first look to the last commit.
        public var duration: Duration
        /// Elements added; a changed one counts as removed and added.
        public var added = 0
        /// Elements removed.
        public var removed = 0
        /// Tables, sets, chains and rule lists changed.
        public var structural = 0
        /// Transactions that the kernel carried out.
        public var transactions = 0
        /// Services that were computed again.
        public var services = 0
        /// The number of the ruleset afterwards; nil if it is not known.
        public var generation: UInt32?

        /// Makes an entry.
        public init(time: Moment, cause: String, duration: Duration) {
            self.time = time
            self.cause = cause
            self.duration = duration
        }
    }

    /// An attempt that failed.
    public struct Failure: Hashable, Sendable {
        /// When.
        public var time: Moment
        /// What it was for.
        public var cause: String
        /// What the kernel said.
        public var reason: String
        /// When it is tried again, counted from `time`.
        public var retryDelay: Duration

        /// Makes an entry.
        public init(time: Moment, cause: String, reason: String, retryDelay: Duration) {
            self.time = time
            self.cause = cause
            self.reason = reason
            self.retryDelay = retryDelay
        }
    }

    /// How many commits are kept.
    public static let capacity = 20

    /// The last commits, the newest first.
    public private(set) var commits: [Commit] = []
    /// The last failure, also after it was mended.
    public private(set) var lastFailure: Failure?
    /// Whether nothing has succeeded since the last failure.
    public private(set) var isFailing = false

    /// Nothing done.
    public init() {}

    /// An attempt succeeded.
    ///
    /// - Parameter commit: what it did; nil if there was nothing to do.
    public mutating func succeeded(_ commit: Commit?) {
        isFailing = false
        guard let commit else { return }
        commits.insert(commit, at: 0)
        if commits.count > Self.capacity { commits.removeLast() }
    }

    /// An attempt failed.
    public mutating func failed(_ failure: Failure) {
        isFailing = true
        lastFailure = failure
    }
}
