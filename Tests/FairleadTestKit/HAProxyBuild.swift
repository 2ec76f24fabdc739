import Glibc

/// A HAProxy that tests can run: this machine's own, and those of other Debian suites that `Scripts/haproxy-suites`
/// (called by `Scripts/setup`) unpacks beside it.
public enum HAProxyBuild: String, CaseIterable, Sendable {
    /// The one that is installed: 2.6 on Debian 12.
    case installed
    /// Debian 13's: 3.0. Has to be there where `FAIRLEAD_REQUIRE_NETNS=1` demands that nothing is left out.
    case trixie
    /// What Debian's sid has, 3.2 or later: a suite that moves, so that no test depends on its presence.
    case sid

    /// A name to look up in `PATH`, or a path.
    public var program: String { self == .installed ? "haproxy" : "\(Self.tools)/haproxy-\(rawValue)/haproxy" }

    /// Whether it is there.
    public var isPresent: Bool {
        guard let path = try? Program.locate(program) else { return false }
        return access(path, X_OK) == 0
    }

    /// Those that are there, and those that must be.
    public static let runnable: [HAProxyBuild] = allCases.filter { build in
        build.isPresent || (build == .trixie && Capability.requiresNetworks)
    }

    /// Why tests run without some.
    public static let absence =
        "HAProxy of Debian 13 is not below .build/tools: Scripts/haproxy-suites says why it cannot be had"

    /// The first line of `haproxy -v`.
    public func version(in namespace: NetworkNamespace) async throws(TestKitError) -> String {
        let text = try await namespace.execute(Program(program, ["-v"])).requireSuccess().standardOutput
        return String(text.prefix { $0 != "\n" })
    }

    private static let tools =
        #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/.build/tools"
}
