import Glibc
import NetworkTypes

/// Datagrams of one UDP flow whose answers nobody waits for.
public enum Datagrams {
    /// Sends a datagram for each priority, one right after the other, from one socket in a namespace.
    public static func send(
        priorities: [Int32], to destination: HostPort, in namespace: NetworkNamespace
    ) throws(TestKitError) {
        try namespace.run { () throws(TestKitError) in
            let socket = try Socket(.udp, destination.address.family)
            for priority in priorities {
                try socket.setOption(SOL_SOCKET, SO_PRIORITY, priority)
                socket.send([1], to: destination)
            }
        }
    }
}
