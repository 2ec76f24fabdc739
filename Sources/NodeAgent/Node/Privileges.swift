import CLinux
import Logging

/// What the daemon keeps of the rights that it was started with.
package enum Privileges {
    /// Bit n is capability n of capabilities(7).
    ///
    /// CAP_NET_ADMIN programs nf_tables and conntrack. CAP_NET_BIND_SERVICE listens on a health check node port, or for metrics, below
    /// 1024. CAP_DAC_READ_SEARCH reads manifests and credentials that belong to others than root.
    package static let kept: UInt64 = 1 << 12 | 1 << 10 | 1 << 2

    /// Says so if the kernel, or a filter of system calls, did not let the others go.
    static func warn(_ logger: Logger) {
        let more = fl_effective_capabilities() & ~kept
        if more != 0 {
            logger.warning("capabilities that are not needed could not be given up: 0x\(String(more, radix: 16))")
        }
    }
}
