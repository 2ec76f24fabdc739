import Glibc
import KubernetesModel

/// What changed in a set of manifests.
public struct ManifestUpdate: Sendable, Equatable {
    /// The objects that differ from before; at most one change for each. Sorted by identity, but for many of them, as
    /// of a first load: what is made of them does not depend on their order.
    public var changes: [ClusterChange] = []
    /// All findings in force, not only new ones, in path order.
    public var findings: [Finding] = []
    /// Files that cannot be used, each reported once for each content. Their last good version stays in force.
    public var failures: [ManifestError] = []
    /// All files and paths that cannot be used now, not only new ones, in path order.
    public var failing: [ManifestError] = []
    /// Objects of kinds that the dataplane has no use for, in the files that were read.
    public var skipped: [SkippedObject] = []
    /// Whether every file has been good at least once. Until then the consumer must not delete what it does not know:
    /// it may be in the file that could not be read yet.
    public var isComplete = false

    /// Makes an update without content.
    public init() {}

    /// The Services of which an object is invalid and has no earlier version that could stand in for it.
    public var heldServices: Set<ObjectKey> {
        let standIns = Set(findings.lazy.filter { $0.code == "kept-last-good" }.compactMap(\.subject))
        return Set(
            findings.lazy.filter { finding in finding.subject.map { !standIns.contains($0) } ?? true }
                .compactMap(\.heldService))
    }

    /// What a consumer of any source has to know of it.
    public var clusterUpdate: ClusterUpdate {
        var update = ClusterUpdate()
        update.changes = changes
        update.findings = findings
        update.heldServices = heldServices
        update.readiness = isComplete ? .complete : .partial
        return update
    }
}

/// The files that `--manifests PATH` (may be given several times) names, and the objects in them.
///
/// A path is a file or a directory; a directory stands for the files in it that end in `.yaml`, `.yml` or `.json`, but
/// for hidden ones and those that editors leave. If an object is defined twice, the first in path order wins.
public struct ManifestSet {
    /// Where a file stands in path order.
    struct Rank: Hashable, Comparable {
        let root: Int
        let path: String

        static func < (lhs: Rank, rhs: Rank) -> Bool { (lhs.root, lhs.path) < (rhs.root, rhs.path) }
    }

    /// An object, and the file whose definition of it is in force.
    private struct Owner: CompactTableEntry {
        var key: ObjectID
        var rank: Rank
    }

    /// One `--manifests PATH`.
    struct Root {
        let path: String
        /// What it was when it was last there; nil if it never was.
        var isDirectory: Bool?
        var failure: ManifestError?
    }

    private(set) var roots: [Root]
    private var files: [Rank: ManifestFile] = [:]
    /// The files that something is wrong with, and those that were never good: an update must not visit all files.
    private var faulty: Set<Rank> = []
    private var neverGood: Set<Rank> = []
    private var failing: Set<Rank> = []
    /// The file whose definition of an object is in force.
    private var owners = CompactTable<Owner>()
    /// Objects that several files define, with those files.
    private var contested: [ObjectID: Set<Rank>] = [:]
    private var changes: [ObjectID: ClusterChange] = [:]
    private var failures: [ManifestError] = []
    private var skippedNews: [SkippedObject] = []
    private var hasNews = false
    private let readsDetails: Bool

    /// More changes are not worth the time to sort them.
    private static let sortedChanges = 1000

    /// Names the files; nothing is read yet. A path that is given twice counts once.
    ///
    /// - Parameter details: Whether the objects come with what only advice reads.
    public init(paths: [String], details: Bool = false) {
        readsDetails = details
        var seen: Set<String> = []
        roots = paths.filter { seen.insert($0).inserted }.map { Root(path: $0) }
    }

    /// Reads all files again and returns what changed since the last time; the first time that is everything.
    public mutating func load() -> ManifestUpdate {
        for root in roots.indices { scan(root, rereadAll: true) }
        return takeUpdate()
    }

    /// The objects in force, sorted by identity.
    public var objects: [DecodedObject] {
        let lines = files.mapValues { $0.linesBeforeDocuments() }
        return owners.values.sorted { $0.key < $1.key }.compactMap { owner in
            guard let file = files[owner.rank], let entry = file.objects[owner.key] else { return nil }
            return DecodedObject(object: entry.object, location: file.location(entry, lines[owner.rank] ?? [:]))
        }
    }

    /// All findings in force, in path order, duplicates of other files last.
    public var findings: [Finding] {
        let result = faulty.sorted().flatMap { files[$0]?.findings ?? [] }
        return contested.isEmpty ? result : result + duplicates
    }

    /// A finding for each object that another file defines, too.
    private var duplicates: [Finding] {
        var lines: [Rank: [ObjectIdentifier: Int]] = [:]
        for rank in contested.values.reduce(into: Set<Rank>(), { $0.formUnion($1) }) {
            lines[rank] = files[rank]?.linesBeforeDocuments()
        }
        func location(_ id: ObjectID, _ rank: Rank) -> SourceLocation? {
            guard let file = files[rank], let entry = file.objects[id] else { return nil }
            return file.location(entry, lines[rank] ?? [:])
        }
        var result: [Finding] = []
        for (id, ranks) in contested.sorted(by: { $0.key < $1.key }) {
            guard let owner = owners[id]?.rank, let first = location(id, owner) else { continue }
            for rank in ranks.sorted() where rank != owner {
                if let other = location(id, rank) { result.append(.duplicate(id, at: other, of: first)) }
            }
        }
        return result
    }

    /// Whether every path exists and every file has been good at least once.
    public var isComplete: Bool {
        roots.allSatisfy { $0.isDirectory != nil } && neverGood.isEmpty
    }

    /// Whether something happened since the last update, if only a failure.
    var hasUpdate: Bool { hasNews }

    /// What changed since the last update.
    mutating func takeUpdate() -> ManifestUpdate {
        var update = ManifestUpdate()
        update.changes =
            changes.count <= Self.sortedChanges
            ? changes.sorted { $0.key < $1.key }.map(\.value) : Array(changes.values)
        update.failures = failures
        update.failing = roots.compactMap(\.failure) + failing.sorted().compactMap { files[$0]?.failure }
        update.skipped = skippedNews
        skippedNews = []
        update.findings = findings
        update.isComplete = isComplete
        changes = [:]
        failures = []
        hasNews = false
        return update
    }
}

extension ManifestSet {
    /// Looks which files a path stands for and reads those that are new or look changed, or all.
    mutating func scan(_ root: Int, rereadAll: Bool) {
        let path = roots[root].path
        do throws(FileSystem.Failure) {
            let isDirectory = try FileSystem.stamp(path).isDirectory
            let names = isDirectory ? try FileSystem.manifests(in: path) : []
            let paths = isDirectory ? names.map { FileSystem.join(path, $0) } : [path]
            if roots[root].isDirectory != isDirectory || roots[root].failure != nil { hasNews = true }
            roots[root].isDirectory = isDirectory
            roots[root].failure = nil
            let ranks = Set(paths.map { Rank(root: root, path: $0) })
            for rank in files.keys where rank.root == root && !ranks.contains(rank) { drop(rank) }
            for rank in ranks.sorted() where rereadAll || files[rank]?.looksChanged() != false { read(rank) }
        } catch {
            unavailable(root, error)
        }
    }

    /// Reads one file; whatever happened to it, it may also be gone or new.
    mutating func read(_ rank: Rank) {
        let isKnown = files[rank] != nil
        // Taken out, with no other reference left: the tables of a big file would be copied before the first change.
        var file = files.removeValue(forKey: rank) ?? ManifestFile(path: rank.path, details: readsDetails)
        let outcome = file.read()
        if case .missing = outcome {
            faulty.remove(rank)
            neverGood.remove(rank)
            failing.remove(rank)
            if isKnown { hasNews = true }
            if roots[rank.root].isDirectory == true {
                for entry in file.objects.values { release(entry.key, entry.object, rank) }
            } else {
                if isKnown { files[rank] = file }
                unavailable(rank.root, FileSystem.Failure(code: ENOENT))
            }
            return
        }
        files[rank] = file
        if file.findings.isEmpty { faulty.remove(rank) } else { faulty.insert(rank) }
        if file.failure == nil { failing.remove(rank) } else { failing.insert(rank) }
        if file.wasGood { neverGood.remove(rank) } else { neverGood.insert(rank) }
        switch outcome {
        case .unchanged, .missing: break
        case .failed(let error):
            failures.append(error)
            hasNews = true
        case .changed(let changes):
            if changes.count > owners.count {
                owners.reserveCapacity(owners.count + changes.count)
                self.changes.reserveCapacity(self.changes.count + changes.count)
            }
            for change in changes { apply(change, rank) }
            skippedNews += file.skipped
            hasNews = true
        }
    }

    /// A path that is not there. A file that was deleted takes its objects with it. A directory that is gone, or that a
    /// file was in, more likely is being replaced or mounted: its objects stay.
    private mutating func unavailable(_ root: Int, _ failure: FileSystem.Failure) {
        let path = roots[root].path
        let wasFile = roots[root].isDirectory == false
        if failure.isMissing, wasFile, (try? FileSystem.stamp(FileSystem.split(path).directory)) != nil {
            drop(Rank(root: root, path: path))
        }
        let keeps = files.keys.contains { $0.root == root } ? "; its objects stay in force" : ""
        let error = ManifestError(path: path, problem: failure.problem + keeps)
        if roots[root].failure != error {
            roots[root].failure = error
            failures.append(error)
            hasNews = true
        }
    }

    private mutating func drop(_ rank: Rank) {
        guard let file = files.removeValue(forKey: rank) else { return }
        faulty.remove(rank)
        neverGood.remove(rank)
        failing.remove(rank)
        for entry in file.objects.values { release(entry.key, entry.object, rank) }
        hasNews = true
    }

    /// Takes over what a file defines now in place of what it defined.
    private mutating func apply(_ change: ManifestFile.ObjectChange, _ rank: Rank) {
        switch (change.old, change.new) {
        case (let old?, let new?):
            if old != new, owners[change.id]?.rank == rank { changes[change.id] = .applied(new) }
        case (nil, let new?): claim(change.id, new, rank)
        case (let old?, nil): release(change.id, old, rank)
        case (nil, nil): break
        }
    }

    private mutating func claim(_ id: ObjectID, _ object: ClusterObject, _ rank: Rank) {
        guard let owner = owners[id]?.rank else {
            owners[id] = Owner(key: id, rank: rank)
            changes[id] = .applied(object)
            return
        }
        contested[id, default: [owner]].insert(rank)
        if rank < owner {
            owners[id] = Owner(key: id, rank: rank)
            if files[owner]?.objects[id]?.object != object { changes[id] = .applied(object) }
        }
    }

    private mutating func release(_ id: ObjectID, _ object: ClusterObject, _ rank: Rank) {
        var others = contested[id] ?? []
        others.remove(rank)
        contested[id] = others.count > 1 ? others : nil
        guard owners[id]?.rank == rank else { return }
        owners[id] = others.min().map { Owner(key: id, rank: $0) }
        guard let owner = owners[id]?.rank, let next = files[owner]?.objects[id]?.object else {
            changes[id] = .deleted(id)
            return
        }
        if next != object { changes[id] = .applied(next) }
    }
}
