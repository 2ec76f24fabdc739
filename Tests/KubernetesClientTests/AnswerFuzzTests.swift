import DataplaneTestKit
import FoundationEssentials
import FuzzKit
import KubernetesConfiguration
import KubernetesWire
import Testing
import WireTestKit

@testable import KubernetesClient

/// What plugins print and servers answer instead of objects, tampered with: it is taken, or it is an error of one line.
@Suite struct AnswerFuzzTests {
    private static let pieces = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "\\n", "null", "true", "-1", "1e999", "0.5",
        "9223372036854775807", "-9223372036854775808", "99999999999999999999", "\u{0}", "\u{1b}[2J", "\u{2028}",
        "\u{e9}", "\r\n", "\"retryAfterSeconds\":", "\"details\":{", "\"token\":", "\"expirationTimestamp\":",
        "9999-12-31T23:59:60Z", "0000-00-00T00:00:00Z", "99999999999-01-01T00:00:00Z", "\"clientKeyData\":\"k\",",
        String(repeating: "[", count: 2000),
    ]

    /// Whether a text is shown as one line, and does nothing to a terminal.
    private static func isOneLine(_ text: String) -> Bool {
        !text.unicodeScalars.contains { $0.value < 32 || (127...159).contains($0.value) || $0 == "\u{2028}" }
    }

    @Test("Credentials of plugins", arguments: UInt64(1)...4)
    func credentials(seed: UInt64) throws {
        let plugin = ConnectionSettings.ExecPlugin(
            command: "/plugin", apiVersion: "client.authentication.k8s.io/v1")
        let corpus = Corpus.files(".credential")
        for text in corpus { _ = try ExecCredential.parse(text, plugin, wallClock: Date()) }
        var mutator = Mutator(seed: seed, pieces: Self.pieces)
        var refused = 0
        let count = Fuzz.rounds(3000)
        for _ in 0..<count {
            let text = mutator.mutated(mutator.pick(corpus))
            do throws(APIError) {
                let answer = try ExecCredential.parse(text, plugin, wallClock: Date())
                #expect(answer.token != nil || answer.identity != nil)
                // What is done with it: the time of the next question is computed.
                if let lifetime = answer.lifetime { _ = ContinuousClock.now + max(.zero, lifetime) }
            } catch {
                refused += 1
                #expect(
                    error.cause == .credential && Self.isOneLine(error.description),
                    "\(error.description.debugDescription)")
            }
        }
        #expect(refused > count / 50 && refused < count * 49 / 50, "\(refused) of \(count)")
        Fuzz.report("credentials, seed \(seed)", count, "\(refused) refused")
    }

    /// Bodies with their content types.
    private static let answers: [(type: String, body: [UInt8])] =
        Corpus.files(".status").flatMap { body in
            ["application/json", "text/html"].map { ($0, body) }
        } + [
            ("application/vnd.kubernetes.protobuf", WireEncoder.status(code: 410, reason: "Expired")),
            ("application/vnd.kubernetes.protobuf", WireEncoder.status(code: 429, reason: "TooManyRequests")),
        ]

    @Test("Errors of servers and proxies, and how long one waits after them", arguments: UInt64(1)...4)
    func errors(seed: UInt64) throws {
        var mutator = Mutator(seed: seed, pieces: Self.pieces)
        var random = SeededGenerator(seed: seed)
        var machine = ReflectorMachine(WatchedResource.all(nodeName: nil)[0], ReflectorTiming())
        let longest = max(machine.timing.longestRetryAfter * 1.1, machine.timing.longestDelay * 2)
        var (understood, waits) = (0, 0)
        let count = Fuzz.rounds(3000)
        for round in 0..<count {
            let (type, body) = mutator.pick(Self.answers)
            let code = mutator.pick([400, 401, 403, 404, 410, 429, 500, 502, 503, 504, 599])
            let status = APIError.status(mutator.mutated(body), type, code: code, phrase: "Phrase")
            #expect(status.code == code)
            let error = APIError(status: status)
            #expect(Self.isOneLine(error.description), "\(error.description.debugDescription)")
            if !status.reason.isEmpty { understood += 1 }
            if error.retryAfter != nil { waits += 1 }
            let step = machine.next(at: .seconds(round), using: &random)
            #expect(step.delay >= .zero && step.delay <= longest)
            _ = machine.failed(error, at: .seconds(round), using: &random)
        }
        #expect(understood > count / 50 && waits > count / 200, "\(understood), \(waits)")
        Fuzz.report("errors of servers, seed \(seed)", count, "\(understood) understood, \(waits) with a wait")
    }
}
