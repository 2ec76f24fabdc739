import FairleadTestKit
import Glibc

/// The first packets of connections that a node itself makes, in a namespace of its own: a SYN each, and nobody answers.
struct FirstPackets {
    let namespace: NetworkNamespace

    /// Makes the namespace, with a link that swallows what is sent.
    init(_ name: String) throws(TestKitError) {
        namespace = try NetworkNamespace(name)
        // A bridge without ports.
        try namespace.ip([
            "link add sink type bridge", "link set sink up", "address add 192.0.2.1/24 dev sink",
            "neighbor add 192.0.2.2 lladdr 02:00:00:00:00:01 nud permanent dev sink", "route add default via 192.0.2.2",
        ])
    }

    /// Runs a program in it.
    func run(_ path: String, _ arguments: [String]) throws(TestKitError) {
        try namespace.run { () throws(TestKitError) in _ = try MeasuredProcess(path, arguments).finish() }
    }

    /// Sends packets to the ClusterIPs of all Services in turn, each the first one of a connection.
    ///
    /// - Parameter round: makes the source ports other ones than those of other rounds of as many packets.
    /// - Returns: nanoseconds of processor time for each, from `send` to the end of the packet's way out.
    func send(
        _ count: Int, round: Int, to cluster: SyntheticCluster
    ) throws(TestKitError) -> Double {
        try namespace.run { () throws(TestKitError) in
            let descriptor = try SystemCall.check(
                socket(AF_INET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), Int32(IPPROTO_TCP)),
                "raw socket")
            defer { close(descriptor) }
            let destination: UInt16 = 80
            // SYN, no options; nobody checks the sum of what a node sends itself.
            var header: [UInt8] = [0, 0, UInt8(destination >> 8), UInt8(truncatingIfNeeded: destination)]
            header += [UInt8](repeating: 0, count: 8) + [5 << 4, 2, 2, 0, 0, 0, 0, 0]
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            let start = ProcessorTime.now
            for number in 0..<count {
                // Services in turn; each lap has a port of its own.
                let sequence = round * count + number
                let (service, port) = (sequence % cluster.services, UInt16(1024 + sequence / cluster.services))
                (header[0], header[1]) = (UInt8(port >> 8), UInt8(truncatingIfNeeded: port))
                let place = SyntheticCluster.clusterIP(service)
                address.sin_addr.s_addr = place.value.bigEndian
                let status = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(descriptor, header, header.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                if status < 0 { throw .system(operation: "send a packet", errno: errno) }
            }
            return (ProcessorTime.now - start) / Double(count)
        }
    }
}

/// Nanoseconds that the calling thread has had of a processor: what else the machine does matters less.
enum ProcessorTime {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }
}
