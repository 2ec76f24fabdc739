import ArgumentParser
import Telemetry
import Terminal

/// `fairlead status`.
struct Status: AsyncParsableCommand {
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    static let configuration = CommandConfiguration(
        abstract: "Say how the daemon of this node is doing.",
        discussion: """
            Whether the kernel has what is wanted, what was committed lately, which Services reject or drop connections \
            and how many, which are the busiest (with run --service-counters), and what is wrong with objects. Asks \
            the daemon twice, a second apart, so that there are rates. Needs no privilege.

            Exit code: 0 the kernel is in line; 1 it is not, or not yet; 2 no answer.
            """)

    @Option(help: "Where the daemon tells its metrics: http://ADDRESS:PORT.")
    var server = "http://127.0.0.1:10249"

    @Flag(help: "Ask again and again: drawn over on a terminal, else a line each time.")
    var watch = false

    @Option(help: "Seconds from one question of --watch to the next.")
    var interval = 2

    @Option(name: .shortAndLong, help: "text or json (one object per line).")
    var output = Form.text

    /// The daemon reads counters once a second at the most: a second look just after that has rates.
    private static let pause: Duration = .milliseconds(1100)
    private static let failed = ExitCode(2)

    func validate() throws {
        if StatusClient(server) == nil { throw ValidationError("--server: http://ADDRESS:PORT, not \"\(server)\"") }
        if !(1...3600).contains(interval) { throw ValidationError("--interval: from 1 to 3600 seconds") }
    }

    func run() async throws {
        guard let client = StatusClient(server) else { throw Self.failed }
        if watch { try await keepLooking(client) }
        let status: NodeStatus
        do throws(StatusClient.Failure) {
            _ = try await client.status()
            try? await Task.sleep(for: Self.pause)
            let answer = try await client.status()
            status = answer.status
            StandardOutput().write(output == .json ? answer.json : StatusText.page(status))
        } catch {
            StandardError.write("error: \(error)\n")
            throw Self.failed
        }
        let isInLine = status.sync.state == .synchronized || status.sync.state == .pending
        if !isInLine || !status.sync.healthy { throw ExitCode(1) }
    }

    /// Asks until the process is ended. A daemon that does not answer now may do so later.
    private func keepLooking(_ client: StatusClient) async throws -> Never {
        let draws = output == .text && Terminal.canRedraw(1) && !Terminal.isPlain
        let clock = ContinuousClock()
        while true {
            let next = clock.now + .seconds(interval)
            let text: String
            do throws(StatusClient.Failure) {
                let (status, json) = try await client.status()
                text =
                    switch output {
                    case .json: json
                    case .text: draws ? Self.screen(StatusText.page(status)) : StatusText.line(status)
                    }
            } catch {
                if draws { text = Self.screen("\(error)\n") } else { text = "" }
                if !draws { StandardError.write("error: \(error)\n") }
            }
            StandardOutput().write(text)
            try await clock.sleep(until: next)
        }
    }

    /// The text in place of what the terminal shows: each line is cleared as it is written, so that nothing flickers.
    private static func screen(_ text: String) -> String {
        let width = Terminal.width(1) ?? 80
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { $0.prefix(width) }
        let height = max((Terminal.height(1) ?? 24) - 1, 1)
        return "\u{1B}[H" + lines.prefix(height).map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }
}
