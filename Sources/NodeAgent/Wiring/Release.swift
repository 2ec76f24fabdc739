/// Which Fairlead this is.
package enum Release {
    /// The version of this source tree.
    package static let version = "0.1.0"
}
