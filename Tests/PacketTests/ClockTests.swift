import APIServerKit
import DataplaneTestKit
import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// The wall clock jumps, as far as the daemon can see. Its waits go by another clock, which nobody sets.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ClockTests {
    /// A wall clock that is set at will, for programs that have it in place of the machine's.
    ///
    /// (`libfaketime` would do it, but for timers: it takes all of them for such of the wall clock.)
    private struct WallClock {
        private let directory: TemporaryDirectory

        init() async throws {
            directory = try TemporaryDirectory()
            let source = try directory.write(Self.source, to: "clock.c")
            let compiler = Program("cc", ["-shared", "-fPIC", "-O1", "-o", "\(directory.path)/clock.so", source])
            try await NetworkNamespace("clock").execute(compiler).requireSuccess()
            try set(0)
        }

        /// Starts `fairlead` with this clock.
        func start(_ arguments: [String], in namespace: NetworkNamespace) async throws -> Daemon {
            var program = try FairleadCommand().program(arguments, timeLimit: .seconds(300))
            program.environment = [
                "LD_PRELOAD": "\(directory.path)/clock.so", "WALL_CLOCK": "\(directory.path)/offset",
            ]
            return try await Daemon(program, in: namespace)
        }

        /// Sets the clock: by how many seconds it is wrong.
        func set(_ offset: Int) throws { try directory.write("\(offset)\n", to: "offset") }

        private static let source = """
            #define _GNU_SOURCE
            #include <errno.h>
            #include <fcntl.h>
            #include <stdlib.h>
            #include <sys/syscall.h>
            #include <sys/time.h>
            #include <time.h>
            #include <unistd.h>

            static long long offset(void)
            {
                char text[32] = "";
                int error = errno, file = open(getenv("WALL_CLOCK"), O_RDONLY | O_CLOEXEC);
                if (file >= 0) {
                    if (read(file, text, sizeof text - 1) < 0)
                        text[0] = 0;
                    close(file);
                }
                errno = error;
                return atoll(text);
            }

            int clock_gettime(clockid_t clock, struct timespec *now)
            {
                int status = (int)syscall(SYS_clock_gettime, clock, now);
                if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
                    now->tv_sec += offset();
                return status;
            }

            time_t time(time_t *result)
            {
                struct timespec now;
                clock_gettime(CLOCK_REALTIME, &now);
                if (result)
                    *result = now.tv_sec;
                return now.tv_sec;
            }

            int gettimeofday(struct timeval *restrict result, void *restrict zone)
            {
                struct timespec now;
                clock_gettime(CLOCK_REALTIME, &now);
                result->tv_sec = now.tv_sec;
                result->tv_usec = now.tv_nsec / 1000;
                return 0;
            }

            """
    }

    private static let hour = 3600
    private static let decade = 315_360_000

    /// A Service whose slice says when its endpoints changed, by the right clock.
    private static func timed(_ endpoint: String) -> String {
        var now = time(nil)
        var fields = tm()
        gmtime_r(&now, &fields)
        var buffer = [CChar](repeating: 0, count: 32)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &fields)
        let moment = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var objects = Scenario(name: "timed", endpoints: [.ready(endpoint)], expectations: []).objects(
            Numbers(index: 99))
        objects.eachSlice { $0.annotations["endpoints.kubernetes.io/last-change-trigger-time"] = moment }
        return Manifest.documents(objects.services.map(\.yaml) + objects.slices.map(\.yaml))
    }

    @Test("an hour back, an hour forward, ten years: changes are programmed, nothing is lost, no number is below zero")
    func jumps() async throws {
        let bench = try await FaultBench()
        let clock = try await WallClock()
        var random = SeededGenerator(seed: 31)
        try bench.directory.write(Self.timed("local-1"), to: "timed.yaml")
        let node = bench.cluster.node1.namespace
        let daemon = try await clock.start(["run"] + bench.arguments + ["--log-level", "info"], in: node)
        try #require(try await bench.becomesInLine(), "\(daemon.output)")
        let traffic = try await SteadyTraffic(bench.cluster, FaultBench.steady)
        // A trigger of the second in which the daemon started does not count.
        try await Task.sleep(for: .seconds(1.1))
        @Sendable func ask(_ place: String) async throws -> ProgramResult {
            try await node.execute(Program("curl", ["-sf", "--max-time", "5", "http://127.0.0.1:\(place)"]))
        }
        for (round, offset) in [-Self.hour, Self.hour, -Self.decade, Self.decade, 0].enumerated() {
            try clock.set(offset)
            try bench.change(&random)
            try bench.directory.write(Self.timed(round.isMultiple(of: 2) ? "local-2" : "local-1"), to: "timed.yaml")
            #expect(try await bench.becomesInLine(within: .seconds(20)), "\(offset): \(daemon.output)")
            let count = "kubeproxy_network_programming_duration_seconds_count{ip_family=\"IPv4\"}"
            let hasCounted = try await eventually {
                try PrometheusPage(try await ask("10249/metrics").standardOutput).values[count] == Double(round + 1)
            }
            let values = try PrometheusPage(try await ask("10249/metrics").standardOutput).values
            #expect(hasCounted, "\(offset): \(values[count] ?? -1)")
            #expect(values.filter { $0.value < 0 }.isEmpty, "\(offset)")
            #expect(try await ask("10256/healthz").status == 0, "\(offset)")
        }
        let result = await traffic.stop()
        #expect(result.lost.isEmpty && result.probes > 0, "\(result.lost)")
        #expect(traffic.liveConversations == traffic.conversationCount)
        #expect(daemon.isRunning)
        // The log goes by the wall clock: it shows that the daemon saw all this.
        let years = Set(daemon.output.split(separator: "\n").map { $0.prefix(4) })
        #expect(years.count == 3, "\(daemon.output)")
    }

    @Test("tokens are rotated whatever the clock says; certificates that it calls invalid end nothing that works")
    func credentials() async throws {
        let bench = try await APIBench([.ready("local-1")])
        let clock = try await WallClock()
        let daemon = try await clock.start(bench.arguments, in: bench.cluster.node1.namespace)
        #expect(try await bench.serves(["local-1"]), "\(daemon.output)")
        try clock.set(Self.hour)
        try bench.rotate(to: "another-token")
        await bench.server.closeConnections()
        try bench.change(to: [.ready("local-2")])
        #expect(try await bench.serves(["local-2"], within: .seconds(60)), "\(daemon.output)")
        // The server's certificate is for two days from now; who is connected already does not look again.
        for (offset, next) in [(-Self.hour, "local-3"), (Self.decade, "local-1")] {
            try clock.set(offset)
            try bench.change(to: [.ready("remote-1")])
            #expect(try await bench.serves(["remote-1"], within: .seconds(60)), "\(offset): \(daemon.output)")
            let before = daemon.output.count
            await bench.server.closeConnections()
            try bench.change(to: [.ready(next)])
            let isRefused = await eventually(within: .seconds(30)) {
                daemon.output.dropFirst(before).contains("is not of a trusted authority, or has expired")
            }
            #expect(isRefused, "\(offset): \(daemon.output)")
            #expect(try await bench.serves(["remote-1"], within: .seconds(5)), "\(offset): \(daemon.output)")
            try clock.set(0)
            #expect(try await bench.serves([next], within: .seconds(90)), "\(offset): \(daemon.output)")
        }
        #expect(daemon.isRunning)
    }
}
