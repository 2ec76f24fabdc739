import Netfilter
import NetlinkTransport
import Reconciliation

/// What the daemon does for looks at remembered clients: short pieces, between two commits.
extension Daemon {
    /// What to look for; nil while the kernel does not hold what is wanted.
    func clientLook() -> ClientLook? { reconciler.clientLook() }

    /// Looks at suspects by key and removes those that are stale by now.
    func forget(
        _ suspects: ClientLook.Suspects, halves: Set<ElementKey>
    ) throws(NetlinkError) -> ClientVerdicts { try reconciler.forget(suspects, halves: halves) }
}
