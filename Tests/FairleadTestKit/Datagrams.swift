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

extension Datagrams {
    /// Sends a datagram of so many bytes from each of some ports and waits for the answers.
    ///
    /// - Returns: the answers in the order of the ports; nil where none came within the time limit.
    public static func ask(
        size: Int, from ports: [UInt16], to destination: HostPort, in namespace: NetworkNamespace, timeLimit: Duration
    ) async throws(TestKitError) -> [Answer?] {
        try await namespace.perform { () throws(TestKitError) in
            var sockets: [Socket] = []
            for port in ports {
                let socket = try Socket(.udp, destination.address.family)
                try socket.bind(.unspecified(destination.address.family), port: port)
                socket.send([UInt8](repeating: UInt8(ascii: "?"), count: size), to: destination)
                sockets.append(socket)
            }
            let deadline = ContinuousClock.now + timeLimit
            var answers = [Answer?](repeating: nil, count: ports.count)
            while answers.contains(nil), ContinuousClock.now < deadline {
                var entries = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
                poll(&entries, nfds_t(entries.count), 50)
                for (index, socket) in sockets.enumerated() where entries[index].revents != 0 {
                    switch socket.receive() {
                    case .bytes(let bytes, _): answers[index] = Answer(line: bytes)
                    // An ICMP error.
                    case .failed: _ = socket.takeError()
                    case .nothing, .end: continue
                    }
                }
            }
            return answers
        }
    }
}
