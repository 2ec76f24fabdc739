import FairleadTestKit
import Testing

/// What long work shows on a terminal.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ProgressTests {
    /// Runs a program with a terminal of 60 columns as its standard error, or both outputs, and prints what comes there, one
    /// line for each piece: milliseconds since the start, and the text as JSON. The last line is the exit status.
    private static let terminal = """
        import fcntl, json, os, pty, select, signal, struct, subprocess, sys, termios, time
        both, stop, columns, command = sys.argv[1] == "both", sys.argv[2], int(sys.argv[3]), sys.argv[4:]
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        start, seen = time.monotonic(), ""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=theirs if both else subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            text = data.decode(errors="replace")
            print(int((time.monotonic() - start) * 1000), json.dumps(text))
            seen += text
            if stop and stop in seen:
                process.send_signal(signal.SIGTERM)
        print(process.wait(), "")
        """

    /// An empty NO_COLOR asks for nothing, whatever the environment of the tests has.
    private static let terminalKind = ["TERM": "xterm", "NO_COLOR": ""]

    private struct Screen {
        /// What came, with the milliseconds at which it did.
        var pieces: [(time: Int, text: String)] = []
        var status = 0
        var all: String { pieces.map(\.text).joined() }
        static let erasure = #"\r\u001b[K"#
    }

    private static func watch(
        _ command: [String], in namespace: NetworkNamespace, environment: [String: String] = terminalKind,
        both: Bool = false, stopAt: String = "", columns: Int = 60
    ) async throws -> Screen {
        let arguments = ["-c", terminal, both ? "both" : "error", stopAt, "\(columns)"] + command
        let result = try await namespace.execute(
            Program("python3", arguments, environment: environment, timeLimit: .seconds(120)))
        var screen = Screen()
        for line in try result.requireSuccess().standardOutput.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            let number = try #require(parts.first.flatMap { Int($0) })
            if parts.count == 2 {
                screen.pieces.append((number, String(parts[1].dropFirst().dropLast())))
            } else {
                screen.status = number
            }
        }
        return screen
    }

    /// Enough Services that a load takes a moment.
    private static func cluster(_ directory: TemporaryDirectory) throws -> [String] {
        let items = (0..<4000).map { number in
            let (name, address) = ("s-\(number)", "10.97.\(number / 250).\(number % 250 + 1)")
            return """
                {"apiVersion":"v1","kind":"Service","metadata":{"name":"\(name)","namespace":"a"},"spec":{"clusterIP":\
                "\(address)","clusterIPs":["\(address)"],"ports":[{"port":80,"protocol":"TCP"}]}},\
                {"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4","metadata":{"name":\
                "\(name)","namespace":"a","labels":{"kubernetes.io/service-name":"\(name)"}},"ports":[{"port":8080,\
                "protocol":"TCP"}],"endpoints":[{"addresses":["10.128.\(number / 250).\(number % 250 + 1)"]}]}
                """
        }
        let list = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\(items.joined(separator: ","))]}"
        return FairleadCommand.clusterArguments(manifests: try directory.write(list, to: "cluster.json"))
    }

    private static func command(_ name: String, _ directory: TemporaryDirectory) throws -> [String] {
        [try FairleadCommand().path, name] + (try cluster(directory)) + ["--log-level", "error"]
    }

    /// The line is drawn at most ten times a second, never wider than the terminal, and is gone at the end.
    private static func check(_ screen: Screen, columns: Int = 60) {
        #expect(screen.status == 0)
        let lines = screen.all.replacing(Screen.erasure, with: "\n").split(separator: "\n")
        #expect(screen.all.hasSuffix(Screen.erasure), "the line is left behind: \(screen.all)")
        // The character at the end is one that JSON has six for.
        #expect(lines.allSatisfy { $0.replacing(#"\u2026"#, with: ".").count < columns }, "\(lines)")
        let draws = screen.pieces.filter { $0.text.contains(#"\u2026"#) }
        #expect(draws.count >= 2, "\(screen)")
        let time = (draws.last?.time ?? 0) - (draws.first?.time ?? 0)
        #expect(draws.count <= time / 100 + 2, "\(draws.count) in \(time) ms")
    }

    @Test("apply says what it is at on a terminal, and leaves nothing behind")
    func apply() async throws {
        let (namespace, directory) = (try NetworkNamespace("progress"), try TemporaryDirectory())
        let screen = try await Self.watch(try Self.command("apply", directory), in: namespace)
        Self.check(screen)
        #expect(screen.all.contains("reading the objects"))
        #expect(
            screen.all.contains(/(planning|committing): [\d,]+ of (about )?[\d,]+ (Services|elements)/), "\(screen)")
    }

    @Test("a narrow terminal cuts the line; NO_COLOR asks for no escape sequences")
    func plain() async throws {
        let (namespace, directory) = (try NetworkNamespace("progress"), try TemporaryDirectory())
        let command = try Self.command("apply", directory)
        let narrow = try await Self.watch(command, in: namespace, columns: 12)
        let lines = narrow.all.replacing(Screen.erasure, with: "\n").split(separator: "\n")
        #expect(lines.first == "reading the" && lines.allSatisfy { $0.count <= 11 }, "\(narrow)")
        let plain = try await Self.watch(command, in: namespace, environment: ["TERM": "xterm", "NO_COLOR": "1"])
        #expect(plain.all.contains("reading the objects") && !plain.all.contains("u001b"), "\(plain)")
        #expect(plain.all.hasSuffix(#" \r"#), "\(plain)")
    }

    @Test("nothing is shown where nobody looks, or where a line cannot be drawn over")
    func quiet() async throws {
        let (namespace, directory) = (try NetworkNamespace("progress"), try TemporaryDirectory())
        let command = try Self.command("apply", directory)
        for kind in ["dumb", ""] {
            let screen = try await Self.watch(command, in: namespace, environment: ["TERM": kind, "NO_COLOR": ""])
            #expect(screen.pieces.isEmpty && screen.status == 0, "TERM=\(kind): \(screen)")
        }
        let program = Program(command[0], Array(command.dropFirst()), environment: Self.terminalKind)
        let result = try await namespace.execute(program)
        #expect(result.standardError.isEmpty && result.standardOutput.hasPrefix("4000 Services served"), "\(result)")
    }

    @Test("run shows its first load, and log lines do not mix with it")
    func run() async throws {
        let (namespace, directory) = (try NetworkNamespace("progress"), try TemporaryDirectory())
        let command = [try FairleadCommand().path, "run"] + (try Self.cluster(directory))
        let screen = try await Self.watch(command, in: namespace, stopAt: "serving services=4000")
        #expect(screen.status == 0)
        #expect(screen.all.contains("reading the objects"), "\(screen)")
        #expect(screen.all.contains(/(planning|committing): [\d,]+ of/), "\(screen)")
        // A line of the log begins where the line of progress was erased, or after another one.
        #expect(screen.all.contains(/(\\u001b\[K|\\n)20\d\d-[^\\]*notice: serving services=4000/), "\(screen)")
        #expect(screen.all.contains("notice: stopping"), "\(screen)")
        let after = screen.all.split(separator: "serving services=4000").last ?? ""
        #expect(!after.contains(#"\u2026"#), "progress after the start: \(after)")
    }

    @Test("the benchmark shows what it measures")
    func bench() async throws {
        let namespace = try NetworkNamespace("progress")
        let fairlead = try FairleadCommand().path
        let bench = fairlead.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/fairlead-bench"
        let command = [bench, "--fairlead", fairlead, "--sizes", "100", "--runs", "1", "--parts", "cold"]
        let screen = try await Self.watch(command, in: namespace)
        #expect(screen.status == 0)
        #expect(screen.all.contains("100 Services: ") && screen.all.hasSuffix(Screen.erasure), "\(screen)")
        let dumb = try await Self.watch(command, in: namespace, environment: ["TERM": "dumb"])
        #expect(dumb.pieces.isEmpty && dumb.status == 0, "\(dumb)")
    }

    @Test("status --watch draws over what it has drawn")
    func watch() async throws {
        let daemon = try await DaemonBench([.ready("local-1")])
        try await daemon.waitUntilInLine()
        let command = ["timeout", "5", try FairleadCommand().path, "status", "--watch", "--interval", "1"]
        let screen = try await Self.watch(command, in: daemon.cluster.node1.namespace, both: true, columns: 40)
        #expect(screen.status == 124, "\(screen)")
        let frames = screen.all.split(separator: #"\u001b[H"#)
        #expect(frames.count >= 2, "\(screen)")
        for frame in frames {
            #expect(frame.contains("node1: fairlead ") && frame.hasSuffix(#"\u001b[J"#), "\(frame)")
            let lines = frame.split(separator: #"\r\n"#)
            #expect(lines.count <= 24 && lines.allSatisfy { $0.replacing(#"\u001b[K"#, with: "").count <= 40 })
        }
    }
}
