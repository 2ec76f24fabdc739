import Glibc
import NetworkTypes

/// A flow that is kept open: a TCP connection to a server that echoes, or a UDP socket whose port stays the same.
public final class Conversation: Sendable {
    private let socket: Socket
    /// What the server said at first (each datagram gets an answer of its own).
    public let greeting: Answer

    /// Begins the conversation; throws if no server answers within the time limit.
    public static func begin(_ probe: Probe, in namespace: NetworkNamespace) async throws(TestKitError) -> Conversation
    {
        precondition(probe.transport != .sctp, "SCTP associations are not carried on")
        return try await namespace.perform { () throws(TestKitError) in try Conversation(probe) }
    }

    private init(_ probe: Probe) throws(TestKitError) {
        socket = try Socket(probe.transport, probe.destination.address.family)
        if probe.source != nil || probe.sourcePort != nil {
            let address = probe.source ?? .unspecified(probe.destination.address.family)
            try socket.bind(address, port: probe.sourcePort ?? 0)
        }
        let error = socket.connect(probe.destination.address, port: probe.destination.port)
        if error != 0 { throw .system(operation: "connect to \(probe.destination)", errno: error) }
        if probe.transport == .udp { _ = socket.send(Array("?\n".utf8)) }
        let line = try Self.readLine(socket, timeLimit: probe.timeLimit)
        guard let answer = Answer(line: line) else {
            throw .conversation("\(probe.destination) said \(String(decoding: line, as: UTF8.self))")
        }
        greeting = answer
    }

    /// Whether the TCP connection still carries bytes to the server and back.
    public func echoes(timeLimit: Duration = Probe.patient) -> Bool {
        let line = Array("still there?\n".utf8)
        guard socket.send(line) == 0 else { return false }
        do throws(TestKitError) { return try Self.readLine(socket, timeLimit: timeLimit) == line } catch {
            return false
        }
    }

    /// Sends bytes over the TCP connection, in pieces, and reads what the server sends back meanwhile; gives how many came back.
    ///
    /// - Parameters:
    ///   - count: how many bytes to send.
    ///   - outstanding: how many at the most have not come back yet: a server does not wait for its socket.
    public func carries(_ count: Int, outstanding: Int = 8192, timeLimit: Duration = Probe.patient) -> Int {
        let deadline = ContinuousClock.now + timeLimit
        var (sent, received) = (0, 0)
        while received < count, ContinuousClock.now < deadline {
            if sent < count, sent - received < outstanding {
                let piece = [UInt8](
                    repeating: UInt8(ascii: "x"), count: min(4096, count - sent, outstanding - (sent - received)))
                if socket.send(piece) == 0 { sent += piece.count }
            }
            if sent - received >= outstanding || sent == count {
                var entry = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
                poll(&entry, 1, 100)
            }
            switch socket.receive() {
            case .bytes(let bytes, _): received += bytes.count
            case .nothing: continue
            case .end, .failed: return received
            }
        }
        return received
    }

    /// Whether the connection is reset by the next segment that is sent.
    public func isResetAtNextSegment(timeLimit: Duration = Probe.patient) -> Bool {
        guard socket.send(Array("still there?\n".utf8)) == 0 else { return false }
        do throws(TestKitError) {
            _ = try Self.readLine(socket, timeLimit: timeLimit)
            return false
        } catch {
            if case .system(_, let code) = error { return code == ECONNRESET }
            return false
        }
    }

    /// Sends another datagram of the same flow and gives the answer; nil if none comes.
    public func ask(timeLimit: Duration = Probe.patient) -> Answer? {
        guard socket.send(Array("?\n".utf8)) == 0 else { return nil }
        do throws(TestKitError) {
            return Answer(line: try Self.readLine(socket, timeLimit: timeLimit))
        } catch {
            return nil
        }
    }

    private static func readLine(_ socket: Socket, timeLimit: Duration) throws(TestKitError) -> [UInt8] {
        let deadline = ContinuousClock.now + timeLimit
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n") {
            let left = deadline - ContinuousClock.now
            if left <= .zero { throw .timeLimit("no answer") }
            var entry = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, Int32(left.milliseconds + 1))
            switch socket.receive() {
            case .bytes(let bytes, _): line += bytes
            case .nothing: continue
            case .end: throw .conversation("the server closed the connection")
            case .failed(let error): throw .system(operation: "read", errno: error)
            }
        }
        return line
    }
}
