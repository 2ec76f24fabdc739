import KubernetesConfiguration

/// Where the objects come from.
package enum SourceChoice: Sendable {
    /// Files and directories of manifests.
    case manifests([String])
    /// An API server.
    case api(ConnectionSettings)
}
