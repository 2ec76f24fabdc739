import KubernetesModel

/// A place in a manifest file.
public struct SourceLocation: Hashable, Sendable, Comparable {
    /// The file as the user named it, or as the directory listing gave it.
    public var path: String
    /// The line, from 1.
    public var line: Int

    /// Makes a place.
    public init(path: String, line: Int) {
        self.path = path
        self.line = line
    }

    /// Places sort by path, then line.
    public static func < (lhs: SourceLocation, rhs: SourceLocation) -> Bool {
        (lhs.path, lhs.line) < (rhs.path, rhs.line)
    }
}

extension SourceLocation: CustomStringConvertible {
    /// `path:line`.
    public var description: String { "\(path):\(line)" }
}

/// An object and where it stands.
public struct DecodedObject: Hashable, Sendable {
    /// The object.
    public var object: ClusterObject
    /// Where its map begins.
    public var location: SourceLocation

    /// Makes a decoded object.
    public init(object: ClusterObject, location: SourceLocation) {
        self.object = object
        self.location = location
    }
}

/// An object of a kind that the dataplane has no use for, such as a Deployment: worth a debug line, not a finding.
public struct SkippedObject: Hashable, Sendable {
    /// `apiVersion` and `kind`, separated by a blank.
    public var kind: String
    /// Where its map begins.
    public var location: SourceLocation

    /// Makes a skipped object.
    public init(kind: String, location: SourceLocation) {
        self.kind = kind
        self.location = location
    }
}

extension SkippedObject: CustomStringConvertible {
    /// `path:line: kind: skipped`.
    public var description: String { "\(location): \(kind): skipped, it means nothing to the dataplane" }
}

/// What a manifest file holds.
public struct LoadedFile: Hashable, Sendable {
    /// The file.
    public var path: String
    /// The objects in file order. One that stands in the file twice is in here twice.
    public var objects: [DecodedObject] = []
    /// What is wrong with objects; an object with a finding of severity error is not among `objects`.
    public var findings: [Finding] = []
    /// Objects of other kinds.
    public var skipped: [SkippedObject] = []

    /// Makes an empty file.
    public init(path: String) { self.path = path }
}

/// A file that cannot be read or parsed as a whole, so that nothing is known of its objects.
public struct ManifestError: Error, Hashable, Sendable {
    /// The file or directory.
    public var path: String
    /// The line at fault, from 1; nil if the file could not be read.
    public var line: Int?
    /// The column at fault, from 1; nil if the file could not be read.
    public var column: Int?
    /// What is wrong, one line.
    public var problem: String

    /// Makes an error.
    public init(path: String, line: Int? = nil, column: Int? = nil, problem: String) {
        self.path = path
        self.line = line
        self.column = column
        self.problem = problem
    }
}

extension ManifestError: CustomStringConvertible {
    /// `path:line:column: problem`.
    public var description: String {
        let place = [line, column].compactMap { $0.map { ":\($0)" } }.joined()
        return "\(path)\(place): \(problem)"
    }
}
