import KubernetesModel

/// A manifest file and what was last read from it.
struct ManifestFile {
    /// What became of reading the file.
    enum Outcome {
        /// The content is what it was.
        case unchanged
        /// There is a new version.
        case changed
        /// The file is gone.
        case missing
        /// The file cannot be used; the last good version stays in force.
        case failed(ManifestError)
    }

    let path: String
    /// The objects in force.
    private(set) var objects: [ObjectID: DecodedObject] = [:]
    private(set) var findings: [Finding] = []
    private(set) var skipped: [SkippedObject] = []
    /// Whether the file has been good at least once.
    private(set) var wasGood = false
    private var decoder: ManifestDecoder
    private var stamp: FileSystem.Stamp?
    private var content: ContentKey?
    private var failure: ManifestError?

    /// Tells one content from another.
    private struct ContentKey: Equatable {
        let length: Int
        let hash: Int
    }

    init(path: String) {
        self.path = path
        decoder = ManifestDecoder(path: path)
    }

    /// Whether the file looks different from when it was read.
    func looksChanged() -> Bool { stamp == nil || stamp != (try? FileSystem.stamp(path)) }

    /// Reads the file. A failure is in the outcome only if it is not the one of the last time.
    mutating func read() -> Outcome {
        // Before the content: a write in between is then seen as a change later.
        stamp = try? FileSystem.stamp(path)
        do throws(FileSystem.Failure) {
            let bytes = try FileSystem.read(path)
            return bytes.withBytes { decode($0) }
        } catch {
            content = nil
            return error.isMissing ? .missing : failed(ManifestError(path: path, problem: error.problem))
        }
    }

    private mutating func decode(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        var hasher = Hasher()
        hasher.combine(bytes: bytes)
        let key = ContentKey(length: bytes.count, hash: hasher.finalize())
        if key == content { return .unchanged }
        content = key
        do throws(ManifestError) {
            accept(try decoder.decode(bytes))
            failure = nil
            wasGood = true
            return .changed
        } catch {
            // Another content with the same fault is reported again: its author wants to know.
            failure = nil
            return failed(error)
        }
    }

    private mutating func failed(_ error: ManifestError) -> Outcome {
        if failure == error { return .unchanged }
        failure = error
        return .failed(error)
    }

    /// Puts a good version in force.
    private mutating func accept(_ file: LoadedFile) {
        let previous = objects
        objects = [:]
        objects.reserveCapacity(file.objects.count)
        findings = file.findings
        skipped = file.skipped
        for decoded in file.objects {
            let id = decoded.object.id
            if let first = objects.updateValue(decoded, forKey: id) {
                findings.append(.duplicate(id, at: decoded.location, of: first.location))
                objects[id] = first
            }
        }
        let errors = file.findings.filter { $0.severity == .error }
        if !errors.isEmpty { keep(previous, errors) }
    }

    /// Keeps objects whose new version makes no sense. If the file has a broken object that does not say which one it
    /// is, every object that is gone from the file may be it.
    private mutating func keep(_ previous: [ObjectID: DecodedObject], _ errors: [Finding]) {
        var kept: [ObjectID: String?] = [:]
        if let nameless = errors.first(where: { $0.subject == nil }) {
            for id in previous.keys { kept[id] = nameless.location }
        }
        for error in errors {
            if let id = error.subject { kept[id] = error.location }
        }
        for (id, location) in kept.sorted(by: { $0.key < $1.key }) where objects[id] == nil {
            guard let object = previous[id] else { continue }
            objects[id] = object
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
