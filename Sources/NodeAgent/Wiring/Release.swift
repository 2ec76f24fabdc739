import CLinux

/// Which Fairlead this is.
package enum Release {
    /// The version of this source tree.
    package static let version = "0.1.0"

    /// The version, and the commit that the program was built from: what `fairlead --version` prints.
    package static let description = describe(version, commit: String(cString: fl_release_commit()))

    /// `0.1.0 (0f26c11d5a3e)`; `0.1.0 (development)` where the build was not told its commit, or the tree had changes of its own.
    ///
    /// - Parameters:
    ///   - version: the release.
    ///   - commit: hexadecimal digits as `git` prints them; empty if not known.
    package static func describe(_ version: String, commit: String) -> String {
        "\(version) (\(commit.isEmpty ? "development" : commit))"
    }
}
