import Glibc

/// A program of others in one of the versions that tests can run: this machine's own, and those of other Debian suites that
/// `Scripts/neighbours` (called by `Scripts/setup`) unpacks beside it.
public struct Neighbour: Hashable, Sendable, CustomStringConvertible {
    /// Where a version comes from.
    public enum Suite: String, CaseIterable, Sendable {
        /// What is installed here.
        case installed
        /// Debian 12.
        case bookworm
        /// Debian 13.
        case trixie
        /// What Debian's sid has: a suite that moves, so that no test depends on its presence.
        case sid
        /// A package of PyPI, for what is in no Debian. No test depends on its presence either.
        case pypi
    }

    /// The program, by the name that `Scripts/neighbours` knows it by.
    public let name: String
    /// Where the version comes from.
    public let suite: Suite

    /// A program of a suite.
    public init(_ name: String, _ suite: Suite = .installed) { (self.name, self.suite) = (name, suite) }

    /// As `Scripts/neighbours` calls it.
    public var description: String { "\(name)-\(suite)" }

    /// The directory that its programs are in; nil if it is installed.
    public var directory: String? { suite == .installed ? nil : "\(Self.tools)/\(description)" }

    /// A name to look up in `PATH`, or a path.
    ///
    /// - Parameter program: one of several programs that belong together, or of another name.
    public func path(_ program: String? = nil) -> String {
        (directory.map { "\($0)/" } ?? "") + (program ?? name)
    }

    /// Whether it is there.
    public var isPresent: Bool {
        guard let path = try? Program.locate(path(name == "bird3" && suite != .installed ? "bird" : name)) else {
            return false
        }
        return access(path, X_OK) == 0
    }

    /// Those of a program that are there, and Debian 13's where nothing may be left out.
    public static func runnable(_ name: String) -> [Neighbour] {
        Suite.allCases.map { Neighbour(name, $0) }.filter {
            $0.isPresent || $0.suite == .trixie && $0.suite != ownSuite && Capability.requiresNetworks
        }
    }

    /// Why tests run without some.
    public func absence() -> String {
        "\(self) is not below .build/tools: `Scripts/neighbours \(self)` fetches it, or says why it cannot be had"
    }

    /// The suite of this machine, which `Scripts/neighbours` leaves out; nil if it is no Debian.
    public static let ownSuite: Suite? = {
        guard let file = fopen("/etc/os-release", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 1024)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            let words = String(decoding: text, as: UTF8.self).split(whereSeparator: { "=\n\"".contains($0) })
            if words.count == 2, words[0] == "VERSION_CODENAME" { return Suite(rawValue: String(words[1])) }
        }
        return nil
    }()

    /// The first line of what it says of its version.
    public func version(in namespace: NetworkNamespace, by option: String = "--version") async throws(TestKitError)
        -> String
    {
        let result = try await namespace.execute(Program(path(), [option])).requireSuccess()
        return String((result.standardOutput + result.standardError).prefix { $0 != "\n" })
    }

    /// Whether it tells its version here: a program can be there and not start, as Envoy under Linux 6.12 in user mode (docs/kernels.md).
    public func starts() async -> Bool {
        guard isPresent, let namespace = try? NetworkNamespace("version") else { return false }
        return (try? await version(in: namespace)) != nil
    }

    private static let tools =
        #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/.build/tools"
}
