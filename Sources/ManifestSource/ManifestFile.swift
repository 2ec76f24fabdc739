import KubernetesModel

/// A manifest file and what was last read from it.
struct ManifestFile {
    /// What became of reading the file.
    enum Outcome {
        /// The content is what it was.
        case unchanged
        /// There is a new version; with the objects that may be different in it.
        case changed([ObjectChange])
        /// The file is gone.
        case missing
        /// The file cannot be used; the last good version stays in force.
        case failed(ManifestError)
    }

    /// An object in force.
    struct Entry: CompactTableEntry {
        let object: ClusterObject
        /// The document that it stands in; nil if it is kept from an earlier version of the file.
        let document: DecodedDocument?
        /// The line in the document, or in the earlier version of the file.
        let line: Int

        var key: ObjectID { object.id }
    }

    /// An object that may differ from before.
    struct ObjectChange {
        let id: ObjectID
        let old: ClusterObject?
        let new: ClusterObject?
    }

    /// What the file held when it was last read.
    private enum Content {
        case unknown
        /// The decoder's text.
        case good
        case rejected(FileBytes)
    }

    let path: String
    /// The objects in force.
    private(set) var objects = CompactTable<Entry>()
    private(set) var findings: [Finding] = []
    private(set) var skipped: [SkippedObject] = []
    /// Whether the file has been good at least once.
    private(set) var wasGood = false
    /// Whether the last good version ended with a line end.
    private var endedLine = false
    private var decoder: ManifestDecoder
    private var stamp: FileSystem.Stamp?
    private var content = Content.unknown
    /// Why the file as it is now is not in force; nil if it is.
    private(set) var failure: ManifestError?
    /// Objects in force that are not in the good version of the file.
    private var kept: Set<ObjectID> = []
    /// Whether an object stands in the file twice.
    private var hasDuplicates = false

    /// - Parameter details: Whether the objects come with what only advice reads.
    init(path: String, details: Bool) {
        self.path = path
        decoder = ManifestDecoder(path: path, details: details)
    }

    /// Whether the file looks different from when it was read.
    func looksChanged() -> Bool { stamp == nil || stamp != (try? FileSystem.stamp(path)) }

    /// Reads the file. A failure is in the outcome only if it is not the one of the last time.
    mutating func read() -> Outcome {
        // Before the content: a write in between is then seen as a change later.
        stamp = try? FileSystem.stamp(path)
        do throws(FileSystem.Failure) {
            return decode(try FileSystem.read(path))
        } catch {
            content = .unknown
            return error.isMissing ? .missing : failed(ManifestError(path: path, problem: error.problem))
        }
    }

    private mutating func decode(_ bytes: FileBytes) -> Outcome {
        if case .rejected(let rejected) = content, rejected == bytes { return .unchanged }
        do throws(ManifestError) {
            try checkEnd(bytes)
            let change = try decoder.update(bytes)
            if change.isNone, wasGood, endedLine == bytes.endsLine, case .good = content { return .unchanged }
            content = .good
            failure = nil
            wasGood = true
            endedLine = bytes.endsLine
            return .changed(accept(change))
        } catch {
            content = .rejected(bytes)
            // Another content with the same fault is reported again: its author wants to know.
            failure = nil
            return failed(error)
        }
    }

    /// Whoever writes in place and finds the disk full leaves the beginning of a file, or nothing. YAML that is cut mostly
    /// is YAML, with fewer objects; but seldom does it end where a line does.
    private func checkEnd(_ bytes: FileBytes) throws(ManifestError) {
        guard wasGood, endedLine, !bytes.endsLine else { return }
        let end = bytes.bytes.isEmpty ? "is empty" : "ends within a line"
        throw ManifestError(
            path: path, problem: "\(end), as if it had been cut (is the disk full?)")
    }

    private mutating func failed(_ error: ManifestError) -> Outcome {
        if failure == error { return .unchanged }
        failure = error
        return .failed(error)
    }

    /// The place of an object in force.
    func location(_ entry: Entry, _ lines: [ObjectIdentifier: Int]) -> SourceLocation {
        let before = entry.document.flatMap { lines[ObjectIdentifier($0)] } ?? 0
        return SourceLocation(path: path, line: before + entry.line)
    }

    /// The lines before each document.
    func linesBeforeDocuments() -> [ObjectIdentifier: Int] {
        var lines: [ObjectIdentifier: Int] = [:]
        decoder.forEachDocument { lines[ObjectIdentifier($0)] = $1 }
        return lines
    }
}

extension ManifestFile {
    /// Puts a good version in force, and returns what may be different in it.
    private mutating func accept(_ change: ManifestDecoder.Change) -> [ObjectChange] {
        let notes = decoder.notes
        findings = notes.findings
        skipped = notes.skipped
        let (before, new) = patch(change) ?? rebuild(change)
        let gone = before.filter { objects[$0.key] == nil }
        if !gone.isEmpty || !kept.isEmpty { keep(gone, notes.findings.filter { $0.severity == .error }) }
        return before.map { ObjectChange(id: $0.key, old: $0.value.object, new: objects[$0.key]?.object) }
            + new.map { ObjectChange(id: $0, old: nil, new: objects[$0]?.object) }
    }

    /// Takes over the objects of changed documents. Returns those that were in force in their place, and the ones that
    /// are new. Nil, and nothing is done, if that is not enough or not worth it.
    private mutating func patch(_ change: ManifestDecoder.Change) -> (before: [ObjectID: Entry], new: [ObjectID])? {
        if hasDuplicates || change.added.count > objects.count / 2 { return nil }
        var before: [ObjectID: Entry] = [:]
        for (document, lines) in change.removed {
            for (object, line) in document.objects {
                before[object.id] = Entry(object: object, document: nil, line: lines + line)
            }
        }
        for id in kept { before[id] = objects[id] }
        var added: [ObjectID: Entry] = [:]
        for document in change.added {
            for (object, line) in document.objects {
                let id = object.id
                let entry = Entry(object: object, document: document, line: line)
                let isTwice = added.updateValue(entry, forKey: id) != nil
                if isTwice || before[id] == nil && objects[id] != nil { return nil }
            }
        }
        for id in before.keys { objects[id] = nil }
        for (id, entry) in added { objects[id] = entry }
        return (before, added.keys.filter { before[$0] == nil })
    }

    /// Builds the table of objects again. Returns those that were in force but for unchanged ones, and the ones that are
    /// new.
    private mutating func rebuild(_ change: ManifestDecoder.Change) -> (before: [ObjectID: Entry], new: [ObjectID]) {
        var before = Dictionary(uniqueKeysWithValues: objects.values.map { ($0.key, $0) })
        let lines = Dictionary(
            uniqueKeysWithValues: change.removed.map { (ObjectIdentifier($0.document), $0.linesBefore) })
        objects = CompactTable()
        objects.reserveCapacity(before.count + change.added.count)
        hasDuplicates = false
        var again: [(entry: Entry, lines: Int)] = []
        decoder.forEachDocument { document, lines in
            for (object, line) in document.objects {
                let entry = Entry(object: object, document: document, line: line)
                if objects[entry.key] == nil { objects[entry.key] = entry } else { again.append((entry, lines)) }
            }
        }
        if !again.isEmpty { noteDuplicates(again) }
        let new = objects.values.map(\.key).filter { before[$0] == nil }
        for (id, entry) in before {
            if let document = entry.document, document === objects[id]?.document {
                before[id] = nil
            } else if let gone = entry.document.flatMap({ lines[ObjectIdentifier($0)] }) {
                before[id] = Entry(object: entry.object, document: nil, line: gone + entry.line)
            }
        }
        return (before, new)
    }

    private mutating func noteDuplicates(_ again: [(entry: Entry, lines: Int)]) {
        hasDuplicates = true
        let lines = linesBeforeDocuments()
        for (entry, before) in again {
            let id = entry.object.id
            guard let first = objects[id] else { continue }
            let place = SourceLocation(path: path, line: before + entry.line)
            findings.append(.duplicate(id, at: place, of: location(first, lines)))
        }
    }

    /// Keeps objects whose new version is invalid. If the file has a broken object that does not say which one it
    /// is, every object that is gone from the file may be it.
    private mutating func keep(_ gone: [ObjectID: Entry], _ errors: [Finding]) {
        kept = []
        let nameless = errors.first { $0.subject == nil }
        var places: [ObjectID: String?] = [:]
        for error in errors {
            if let id = error.subject, gone[id] != nil { places[id] = error.location }
        }
        for (id, entry) in gone.sorted(by: { $0.key < $1.key }) {
            guard let location = places[id] ?? nameless.map(\.location) else { continue }
            objects[id] = entry
            kept.insert(id)
            findings.append(
                Finding(
                    .warning, code: "kept-last-good", subject: id, location: location,
                    message: "the version before stays in force until this file is mended"))
        }
    }
}

extension Finding {
    /// An object that is defined again.
    static func duplicate(_ id: ObjectID, at place: SourceLocation, of first: SourceLocation) -> Finding {
        Finding(
            .warning, code: "duplicate-object", subject: id, location: place.description,
            message: "is also defined at \(first), which wins; remove one of the two")
    }
}
