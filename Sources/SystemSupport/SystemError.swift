import CLinux

/// Error numbers of the system (`errno`).
package enum SystemError {
    /// The system's text for an error number, such as `Connection refused`.
    package static func text(_ number: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let base = buffer.baseAddress else { return "error \(number)" }
            fl_error_text(number, base, buffer.count)
            return String(cString: base)
        }
    }
}
