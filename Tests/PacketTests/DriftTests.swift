import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// What other programs may do to the tables while `fairlead run` works, and what becomes of it.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct DriftTests {
    /// A daemon on a node of its own, without packets.
    struct Bench: Sendable {
        let namespace: NetworkNamespace
        let directory: TemporaryDirectory
        let nft: NFT
        let daemon: Daemon

        init(options: [String] = [], prepare: (Self.Place) async throws -> Void = { _ in }) async throws {
            let place = try Place()
            try await prepare(place)
            (namespace, directory, nft) = (place.namespace, place.directory, NFT(place.namespace))
            daemon = try await place.start(options)
            try await daemon.waitForOutput("serving")
        }

        /// Where the daemon is going to be.
        struct Place: Sendable {
            let namespace: NetworkNamespace
            let directory: TemporaryDirectory

            init() throws {
                namespace = try NetworkNamespace("drift")
                directory = try TemporaryDirectory()
                try directory.write(Scenario.manifests(policyScenarios + refusalScenarios), to: "cluster.yaml")
            }

            var arguments: [String] { FairleadCommand.clusterArguments(manifests: directory.path) }

            func start(_ options: [String]) async throws -> Daemon {
                try await FairleadCommand().start(["run", "--log-level", "info"] + arguments + options, in: namespace)
            }

            func run(_ command: String) async throws -> ProgramResult {
                try await FairleadCommand().run([command] + arguments, in: namespace)
            }
        }

        func run(_ command: String) async throws -> ProgramResult { try await Place(self).run(command) }

        /// The value of a metric; nil if there is none, or nobody to tell it.
        func metric(_ name: String) async throws -> Double? {
            let program = Program(
                "curl", ["-s", "--max-time", "3", "--noproxy", "*", "http://127.0.0.1:10249/metrics"])
            return try PrometheusPage(try await namespace.execute(program).standardOutput).values[name]
        }

        /// The elements of the tables as text, without what differs from listing to listing.
        var ruleset: String { get async throws { try await nft.listRuleset() } }
    }

    /// What others do, what of it the log names, and what they leave behind outside the tables.
    struct Edit: Sendable, CustomTestStringConvertible {
        var name: String
        var commands: String
        var traces: [String]
        var testDescription: String { name }
    }

    private static let edits = [
        Edit(
            name: "an element deleted", commands: "delete element ip fairlead cluster-ips { 10.96.1.1 }",
            traces: ["ip cluster-ips: put back 10.96.1.1"]),
        Edit(name: "a set flushed", commands: "flush map ip6 fairlead endpoints", traces: ["ip6 endpoints: put back"]),
        Edit(
            name: "an element added", commands: "add element ip fairlead cluster-ips { 192.0.2.9 }",
            traces: ["ip cluster-ips: removed 192.0.2.9"]),
        Edit(
            name: "a rule inserted", commands: "insert rule ip fairlead services accept",
            traces: ["ip: rules of chain services put in order"]),
        Edit(
            name: "a chain flushed", commands: "flush chain ip6 fairlead nat-prerouting",
            traces: ["ip6: rules of chain nat-prerouting put in order"]),
        Edit(
            name: "a chain and a set added",
            commands: "add chain ip fairlead mine\nadd set ip fairlead more { type ipv4_addr; }",
            traces: ["ip: chain mine removed", "ip: set more removed"]),
        Edit(name: "a table deleted", commands: "delete table ip fairlead", traces: ["ip: table recreated"]),
        Edit(
            name: "the whole ruleset flushed", commands: "flush ruleset",
            traces: ["ip: table recreated", "ip6: table recreated"]),
        Edit(
            name: "a reload as firewalld does it",
            commands: """
                flush ruleset
                table inet firewalld {
                    chain filter_INPUT { type filter hook input priority filter + 10; policy accept; ct state established accept; }
                }
                """,
            traces: ["ip: table recreated", "ip6: table recreated"]),
    ]

    @Test(
        "a foreign change is noticed within a second, repaired by the difference and named in the log", arguments: edits
    )
    func repaired(_ edit: Edit) async throws {
        let bench = try await Bench(options: ["--no-own-tables"])
        try await bench.nft.load("table inet neighbour {\n\tset s { type ipv4_addr; elements = { 192.0.2.1 }; }\n}\n")
        let before = try await bench.ruleset
        // The watcher begins with the first tick after the start.
        try await bench.daemon.waitForOutput("listening for changes of the tables by other programs")
        try await bench.nft.load(edit.commands + "\n")
        let start = ContinuousClock.now
        try await bench.daemon.waitForOutput("the tables had been changed by another program; repaired")
        let duration = ContinuousClock.now - start
        print("drift: \(edit.name): repaired after \(duration)")
        #expect(duration < .seconds(1) * TimeFactor.value)
        for trace in edit.traces { #expect(bench.daemon.output.contains(trace), "\(bench.daemon.output)") }
        #expect(bench.daemon.output.contains("by=nft (process "), "\(bench.daemon.output)")
        #expect(try await bench.run("diff").status == 0)
        #expect(try await bench.metric("fairlead_drift_repairs_total") == 1)
        #expect(try await bench.metric(#"fairlead_table_protected{ip_family="IPv4"}"#) == 0)
        let lines = CommandTests.difference(before, try await bench.ruleset).split(separator: "\n")
        if edit.commands.hasPrefix("flush ruleset") {
            // The neighbour's loss is the neighbour's.
            #expect(lines.allSatisfy { !$0.contains("comment") }, "\(lines)")
        } else {
            #expect(lines.isEmpty, "\(lines)")
        }
    }

    @Test(
        "nobody can change the tables of a daemon, and who tries learns whose they are",
        .enabled(if: Capability.ownsTables, "no tables with an owner before Linux 6.9"))
    func protected() async throws {
        let bench = try await Bench()
        for family in ["IPv4", "IPv6"] {
            #expect(try await bench.metric("fairlead_table_protected{ip_family=\"\(family)\"}") == 1)
        }
        let before = try await bench.ruleset
        for edit in Self.edits {
            let result = try await bench.namespace.execute(Program("nft", ["-f", "-"], input: edit.commands + "\n"))
            #expect(result.status != 0 || edit.commands.hasPrefix("flush ruleset"), "\(edit.name): \(result)")
        }
        try await bench.nft.load("flush ruleset\n")
        #expect(CommandTests.difference(before, try await bench.ruleset) == "")
        let cleanup = try await FairleadCommand().run(["cleanup"], in: bench.namespace)
        #expect(cleanup.status == 1, "\(cleanup)")
        #expect(cleanup.standardError.contains("another process owns the table: fairlead (process "), "\(cleanup)")
        #expect(try await bench.metric("fairlead_drift_repairs_total") == 0)
        #expect(try await bench.metric("fairlead_full_syncs_total") == 1)
        #expect(bench.daemon.isRunning)
    }

    @Test(
        "the next daemon takes the tables over without a change, whether the last one was killed or ended",
        .enabled(if: Capability.ownsTables, "no tables with an owner before Linux 6.9"))
    func handedOver() async throws {
        var bench = try await Bench()
        for signal in [SIGKILL, SIGTERM] {
            bench.daemon.signal(signal)
            _ = try await bench.daemon.waitForEnd()
            // An orphan: anybody can, who has to.
            try await bench.nft.load("add element ip fairlead cluster-ips { 192.0.2.9 }\n")
            try await bench.nft.load("delete element ip fairlead cluster-ips { 192.0.2.9 }\n")
            let before = try await bench.ruleset
            let monitor = try await RulesetMonitor(bench.namespace)
            let place = bench
            bench = try await Bench(in: place)
            let changes = try await monitor.changes().filter { !$0.hasPrefix("add table ") }
            #expect(changes == [])
            // Its owner is another line in the listing.
            let lines = CommandTests.difference(before, try await bench.ruleset).split(separator: "\n")
            #expect(lines.allSatisfy { $0.contains("table ip") || $0.contains("flags") }, "\(lines)")
            #expect(try await bench.metric(#"fairlead_table_protected{ip_family="IPv6"}"#) == 1)
        }
    }

    @Test(
        "what apply or others made cannot be owned and is watched",
        .enabled(if: Capability.ownsTables, "no tables with an owner before Linux 6.9"), arguments: [true, false])
    func adopted(_ isOwn: Bool) async throws {
        let bench = try await Bench { place in
            if isOwn {
                try await place.run("apply").requireSuccess()
            } else {
                try await NFT(place.namespace).load("add table ip fairlead\nadd table ip6 fairlead\n")
            }
        }
        #expect(try await bench.metric(#"fairlead_table_protected{ip_family="IPv4"}"#) == 0)
        #expect(bench.daemon.output.contains("tables not protected from other programs"))
        try await bench.daemon.waitForOutput("listening for changes of the tables by other programs")
        // Recreated by the daemon, a table is its own.
        try await bench.nft.load("delete table ip fairlead\ndelete table ip6 fairlead\n")
        let isProtected = try await eventually {
            try await bench.metric(#"fairlead_table_protected{ip_family="IPv4"}"#) == 1
        }
        #expect(isProtected, "\(bench.daemon.output)")
        #expect(try await bench.run("diff").status == 0)
    }

    @Test(
        "a second daemon waits for the first one to end, and says so once",
        .enabled(if: Capability.ownsTables, "no tables with an owner before Linux 6.9"))
    func second() async throws {
        let bench = try await Bench()
        let options = ["--healthz-bind-address", "", "--metrics-bind-address", ""]
        let second = try await Bench.Place(bench).start(options)
        try await second.waitForOutput("another process owns the table: fairlead (process ")
        try await Task.sleep(for: .seconds(3))
        #expect(!second.output.contains("serving"))
        #expect(second.output.split(separator: "another process owns the table").count == 2, "\(second.output)")
        bench.daemon.signal(SIGTERM)
        try await second.waitForOutput("serving")
    }

    @Test(
        "neighbours that commit a thousand times to tables of their own cost next to nothing",
        arguments: Capability.ownsTables ? [true, false] : [false])
    func neighbours(_ isProtected: Bool) async throws {
        let bench = try await Bench(options: isProtected ? [] : ["--no-own-tables"])
        if !isProtected {
            try await bench.daemon.waitForOutput("listening for changes of the tables by other programs")
        }
        try await bench.nft.load("table ip other {\n\tset s { type ipv4_addr; }\n\tchain c { }\n}\n")
        let looks = try await bench.metric("fairlead_full_syncs_total")
        let before = try await bench.metric("process_cpu_seconds_total") ?? 0
        // Each line is a commit; one in ten has a thousand elements.
        let script = """
            { for i in $(seq 1 1000); do
                case $i in *0) echo "flush set ip other s";;
                *5) echo "add element ip other s { $(seq -s, -f '10.0.0.%g' 0 255) }";;
                *) echo "add rule ip other c counter";; esac
            done; echo quit; } | nft -i > /dev/null
            """
        let storm = try await Daemon(Program("bash", ["-c", script], timeLimit: .seconds(100)), in: bench.namespace)
        try bench.directory.write(Scenario.manifests(frontendScenarios), to: "cluster.yaml")
        let isInLine = try await eventually { try await bench.run("diff").status == 0 }
        #expect(isInLine, "\(bench.daemon.output)")
        #expect(try await storm.waitForEnd(timeLimit: .seconds(100)).status == 0)
        let text = try await bench.nft.listTable("ip other")
        #expect(text.split(separator: "counter").count > 800)
        let seconds = try await bench.metric("process_cpu_seconds_total") ?? 0
        print(
            "neighbours: 1000 commits, \(isProtected ? "protected" : "watched"): \(seconds - before) s of processor time"
        )
        #expect(seconds - before < 2 * Double(TimeFactor.value))
        #expect(try await bench.metric("fairlead_full_syncs_total") == looks)
        #expect(try await bench.metric("fairlead_drift_repairs_total") == 0)
    }

    @Test(
        "who fights with the daemon over the tables is repaired ever more slowly, and reported", .timeLimit(.minutes(2))
    )
    func contest() async throws {
        let bench = try await Bench(options: ["--no-own-tables"])
        try await bench.daemon.waitForOutput("listening for changes of the tables by other programs")
        let script = """
            while :; do
                nft delete element ip fairlead cluster-ips { 10.96.1.1 } 2>/dev/null; sleep 0.02
            done
            """
        let other = try await Daemon(Program("bash", ["-c", script], timeLimit: .seconds(100)), in: bench.namespace)
        try await bench.daemon.waitForOutput("another program keeps changing the tables", timeLimit: .seconds(30))
        #expect(try await bench.metric("fairlead_drift_contested") == 1)
        // Waits of 1, 2 and 4 seconds have passed by the ninth repair.
        try await bench.daemon.waitForOutput("the next repair waits 8 s", timeLimit: .seconds(30))
        let repairs = try await bench.metric("fairlead_drift_repairs_total") ?? 0
        #expect(repairs <= 10, "\(bench.daemon.output)")
        #expect(bench.daemon.output.contains("by=nft (process "), "\(bench.daemon.output)")
        other.signal(SIGKILL)
        let isRepaired = try await eventually(within: .seconds(40)) { try await bench.run("diff").status == 0 }
        #expect(isRepaired, "\(bench.daemon.output)")
    }
}

extension DriftTests.Bench {
    /// Another daemon in the same place.
    init(in other: Self) async throws {
        (namespace, directory, nft) = (other.namespace, other.directory, other.nft)
        daemon = try await Place(other).start([])
        try await daemon.waitForOutput("serving")
    }
}

extension DriftTests.Bench.Place {
    init(_ bench: DriftTests.Bench) { (namespace, directory) = (bench.namespace, bench.directory) }
}
