import Glibc
import NetworkTypes
import Synchronization

/// Probes that run at the same time, driven by one thread.
struct ProbeBatch {
    private var attempts: [Attempt]

    /// Makes all probes in the network namespace of the calling thread and waits for the end of the last one.
    static func run(_ probes: [Probe]) -> [Outcome] {
        var batch = ProbeBatch(attempts: probes.map { Attempt($0) })
        return batch.finish()
    }

    private mutating func finish() -> [Outcome] {
        while true {
            let open = attempts.indices.filter { attempts[$0].outcome == nil }
            if open.isEmpty { break }
            var entries = open.map { attempts[$0].pollEntry }
            let wait = open.map { attempts[$0].timeToNextEvent }.min() ?? .zero
            poll(&entries, nfds_t(entries.count), Int32(wait.milliseconds + 1))
            for (entry, index) in zip(entries, open) {
                if entry.revents != 0 { attempts[index].advance() }
                attempts[index].checkTime()
            }
        }
        return attempts.map { $0.outcome ?? .timedOut }
    }
}

/// A probe under way.
struct Attempt {
    private(set) var outcome: Outcome?
    private let probe: Probe
    private var socket: Socket?
    private var isConnected = false
    private var received: [UInt8] = []
    private let deadline: ContinuousClock.Instant
    private var nextSend: ContinuousClock.Instant
    /// The client's port of a UDP or SCTP probe.
    ///
    /// Chosen here and not by the kernel: conntrack remembers flows of these protocols long after their sockets are
    /// closed, and a port that comes again too soon would continue an old flow by its old translation.
    private var port: UInt16

    private static let resendInterval = Duration.seconds(1)
    private static let turns = Atomic<Int>(Int.random(in: 0..<32000))
    /// Above the node ports.
    private static func nextPort() -> UInt16 {
        UInt16(33000 + turns.wrappingAdd(1, ordering: .relaxed).oldValue % 32000)
    }

    init(_ probe: Probe) {
        self.probe = probe
        let now = ContinuousClock.now
        deadline = now + probe.timeLimit
        nextSend = now + Self.resendInterval
        port = probe.sourcePort ?? (probe.transport == .tcp ? 0 : Self.nextPort())
        do throws(TestKitError) {
            try start()
        } catch {
            if case .system(let operation, let errno) = error {
                outcome = .failed(operation: operation, errno: errno)
            } else {
                outcome = .failed(operation: "\(error)", errno: 0)
            }
        }
    }

    var pollEntry: pollfd {
        let connecting = probe.transport == .tcp && !isConnected
        return pollfd(fd: socket?.descriptor ?? -1, events: Int16(connecting ? POLLOUT : POLLIN), revents: 0)
    }

    var timeToNextEvent: Duration {
        max(.zero, (probe.transport == .tcp ? deadline : min(deadline, nextSend)) - ContinuousClock.now)
    }

    private mutating func start() throws(TestKitError) {
        let family = probe.destination.address.family
        let socket = try Socket(probe.transport, family)
        self.socket = socket
        try family == .ipv4
            ? socket.setOption(Int32(IPPROTO_IP), IP_RECVERR, 1)
            : socket.setOption(Int32(IPPROTO_IPV6), IPV6_RECVERR, 1)
        if probe.transport == .tcp {
            try socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
            // Close with RST: no TIME_WAIT, so that ports can be used again at once.
            var linger = linger(l_onoff: 1, l_linger: 0)
            let size = socklen_t(MemoryLayout.size(ofValue: linger))
            setsockopt(socket.descriptor, SOL_SOCKET, SO_LINGER, &linger, size)
        }
        try bind(socket, family)
        let error = socket.connect(probe.destination.address, port: probe.destination.port)
        if error != 0 { return finish(error, "connect") }
        send()
    }

    private mutating func bind(_ socket: Socket, _ family: IPFamily) throws(TestKitError) {
        if probe.source == nil && port == 0 { return }
        for _ in 0..<16 {
            do throws(TestKitError) {
                return try socket.bind(probe.source ?? .unspecified(family), port: port)
            } catch {
                guard case .system(_, EADDRINUSE) = error, probe.sourcePort == nil else { throw error }
                port = Self.nextPort()
            }
        }
    }

    /// Sends what UDP and SCTP begin with.
    private mutating func send() {
        guard let socket, outcome == nil else { return }
        let error: Int32
        switch probe.transport {
        case .tcp: return
        case .udp: error = socket.send(Array("?\n".utf8))
        case .sctp: error = socket.send(initiation.bytes)
        }
        // EPERM: a rule of this host's output hook dropped (or rejected) the packet; a rejection follows as ICMP.
        if error != 0 && error != EPERM { finish(error, "send") }
    }

    private var initiation: SCTPPacket {
        SCTPPacket(
            sourcePort: port, destinationPort: probe.destination.port, verificationTag: 0,
            chunk: .initiate(tag: 0x4000_0000 | UInt32(port)))
    }

    /// Takes note of what happened at the socket.
    mutating func advance() {
        guard let socket, outcome == nil else { return }
        if let refusal = takeRefusal(socket) {
            outcome = .refused(refusal)
            return
        }
        if probe.transport == .tcp && !isConnected {
            let error = socket.takeError()
            if error != 0 { return finish(error, "connect") }
            isConnected = true
        }
        receive(socket)
    }

    private mutating func receive(_ socket: Socket) {
        while outcome == nil {
            switch socket.receive() {
            case .bytes(let bytes, _): take(bytes)
            case .nothing: return
            case .end: outcome = .failed(operation: "read: closed without an answer", errno: ECONNRESET)
            case .failed(let error):
                // On a raw socket: an error that belongs to another probe between the same hosts.
                if probe.transport != .sctp { finish(error, "read") } else { return }
            }
        }
    }

    private mutating func take(_ bytes: [UInt8]) {
        switch probe.transport {
        case .tcp, .udp:
            received += bytes
            if let answer = Answer(line: received) { outcome = .answered(answer) }
        case .sctp:
            guard let packet = SCTPPacket(raw: bytes, probe.destination.address.family),
                packet.sourcePort == probe.destination.port, packet.destinationPort == port
            else { return }
            switch packet.chunk {
            case .initiateAcknowledgement(_, let cookie): outcome = Answer(line: cookie).map { .answered($0) }
            case .abort: outcome = .refused(.reset)
            case .initiate, .other: return
            }
        }
    }

    /// Reads the error queue; ICMP errors to other probes' SCTP packets are passed over.
    private func takeRefusal(_ socket: Socket) -> Refusal? {
        while let report = socket.takeReport() {
            guard let refusal = report.refusal else { continue }
            if probe.transport == .sctp {
                let ports = initiation.bytes.prefix(4)
                if !report.packet.starts(with: ports) { continue }
            }
            return refusal
        }
        return nil
    }

    private mutating func finish(_ error: Int32, _ operation: String) {
        if let refusal = socket.flatMap({ takeRefusal($0) }) {
            outcome = .refused(refusal)
        } else if error == ECONNREFUSED {
            outcome = .refused(.reset)
        } else {
            outcome = .failed(operation: operation, errno: error)
        }
    }

    /// Sends again, or gives up. The socket of a finished probe is closed.
    mutating func checkTime() {
        let now = ContinuousClock.now
        if outcome == nil && now >= deadline { outcome = .timedOut }
        if outcome == nil && now >= nextSend {
            nextSend = now + Self.resendInterval
            send()
        }
        if outcome != nil { socket = nil }
    }
}
