import NetworkTypes

/// What is said of single values of an object while it is read.
///
/// The rule of both readers: a value that cannot be used costs itself. It is left out, a note names it, and everything else of the
/// object is used. For API servers accept, or keep from earlier versions, more than makes sense to a dataplane.
package struct FieldNotes: Sendable {
    /// `Finding.code` of a value that is left out.
    package static let leftOutCode = "invalid-value"
    /// `Finding.code` of a range of `loadBalancerSourceRanges` that is left out.
    package static let sourceRangeCode = "unreadable-source-range"
    /// `Finding.code` of an address in a spelling that newer API servers refuse.
    package static let legacyCode = "legacy-address"
    /// So many notes of an object are kept; a last one says how many more values are left out.
    package static let most = 16

    private var kept: [FieldNote] = []
    private var omitted = 0
    private var hasLegacy = false

    /// No notes.
    package init() {}

    /// The notes, in the order of the fields.
    package var all: [FieldNote] {
        guard omitted > 0 else { return kept }
        let message = "\(omitted) more values are left out, too"
        return kept + [FieldNote(severity: .warning, code: Self.leftOutCode, path: FieldPath(), message: message)]
    }

    /// The first value that is left out of the fields below `spec` whose names begin so, as the reason why the whole object makes no
    /// sense; nil if there is none.
    package func firstProblem(below prefix: String) -> FieldProblem? {
        kept.first { note in
            guard note.code == Self.leftOutCode, note.path.steps.count > 1, case .key(let key) = note.path.steps[1]
            else {
                return false
            }
            return key.hasPrefix(prefix)
        }.map { FieldProblem($0.path, $0.message) }
    }

    /// Takes up something doubtful that does not cost a value.
    package mutating func add(_ notes: [FieldNote]) { kept += notes }

    /// Says that a value is left out.
    package mutating func leaveOut(_ problem: @autoclosure () -> FieldProblem, code: String = leftOutCode) {
        guard kept.count < Self.most else {
            omitted += 1
            return
        }
        let problem = problem()
        kept.append(
            FieldNote(severity: .warning, code: code, path: problem.path, message: problem.message))
    }

    /// The value that a rule makes, or nil after a note of its complaint.
    package mutating func keep<Value>(_ rule: @autoclosure () throws(FieldProblem) -> Value?) -> Value? {
        do throws(FieldProblem) {
            return try rule()
        } catch {
            leaveOut(error)
            return nil
        }
    }

    /// A port number; 0 may be one only if `lowest` is.
    package mutating func port(
        _ value: Int, from lowest: Int = 1, at path: @autoclosure () -> FieldPath
    ) -> UInt16? {
        keep(try FieldRule.port(value, from: lowest, at: path()))
    }

    /// An address that a Service can have.
    package mutating func serviceAddress(
        _ text: String, allowingLinkLocal: Bool = false, at path: @autoclosure () -> FieldPath
    ) -> IPAddress? {
        let address = keep(try FieldRule.serviceAddress(text, allowingLinkLocal: allowingLinkLocal, at: path()))
        if let address { noteSpelling(text, isLegacy: IPAddress.isLegacySpelling(text), "\(address)", at: path()) }
        return address
    }

    /// A block of addresses.
    package mutating func block(_ text: String, at path: @autoclosure () -> FieldPath) -> CIDR? {
        do throws(FieldProblem) { return try readableBlock(text, at: path()) } catch {
            leaveOut(error)
            return nil
        }
    }

    /// A block of addresses, which is not left out by itself.
    package mutating func readableBlock(
        _ text: String, at path: @autoclosure () -> FieldPath
    ) throws(FieldProblem) -> CIDR {
        let block = try FieldRule.block(text, at: path())
        noteSpelling(text, isLegacy: CIDR.isLegacySpelling(text.trimmingBlanks), "\(block)", at: path())
        return block
    }

    /// A moment in UTC and whole seconds; empty, with a note, if the text is none.
    package mutating func moment(_ text: String, at path: @autoclosure () -> FieldPath) -> String {
        if let moment = Timestamp.canonical(text) { return moment }
        leaveOut(FieldProblem(path(), "\(text.quoted) is not a time such as 2026-01-31T12:34:56Z"))
        return ""
    }

    /// Says, once for an object, that newer API servers refuse the spelling of an address.
    package mutating func noteSpelling(
        _ text: String, isLegacy: Bool, _ canonical: String, at path: @autoclosure () -> FieldPath
    ) {
        guard isLegacy, !hasLegacy else { return }
        hasLegacy = true
        kept.append(
            FieldNote(
                severity: .info, code: Self.legacyCode, path: path(),
                message: """
                    \(text.quoted) is read as \(canonical); API servers from 1.36 on keep this spelling, but refuse it \
                    when the field changes
                    """))
    }
}
