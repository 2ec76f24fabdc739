/// A transport protocol that a Service port can have (Kubernetes `ServicePort.protocol`).
///
/// The raw value is the protocol number of the IP header.
public enum TransportProtocol: UInt8, Hashable, Sendable, CaseIterable, Comparable {
    /// Transmission Control Protocol.
    case tcp = 6
    /// User Datagram Protocol.
    case udp = 17
    /// Stream Control Transmission Protocol.
    case sctp = 132

    /// Parses the Kubernetes spelling (`TCP`, `UDP`, `SCTP`); anything else gives nil.
    public init?(kubernetes text: some StringProtocol) {
        switch text {
        case "TCP": self = .tcp
        case "UDP": self = .udp
        case "SCTP": self = .sctp
        default: return nil
        }
    }

    /// Protocols sort by number.
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

extension TransportProtocol: CustomStringConvertible {
    /// The nftables spelling: `tcp`, `udp` or `sctp`.
    public var description: String {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        case .sctp: "sctp"
        }
    }
}
