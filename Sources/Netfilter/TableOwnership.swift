/// Who may change a table. Linux 6.9 or later lets a process own a table that outlives it.
public enum TableOwnership: Hashable, Sendable {
    /// Whoever has the privilege; nobody can come to own the table, for it was made without the flag `persist`.
    case shared
    /// Whoever has the privilege, until somebody claims the table: its owner has ended, or it never had one.
    case orphan
    /// Only the process that asked.
    case own
    /// Only another process, until it ends. The number is the address of its netlink socket, most often its process
    /// number.
    case foreign(port: UInt32)
}
