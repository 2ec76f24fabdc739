import ArgumentParser
import CProbe
import FairleadTestKit
import Glibc
import KubernetesModel
import Netfilter
import NetlinkTransport
import NetworkTypes
import Reconciliation
import ServiceDataplane

/// Measures the stages between decoded objects and the kernel by themselves, over a cluster in memory.
@main
struct Probe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fairlead-probe",
        abstract: "Measure what lies between decoded objects and the kernel.",
        discussion: "Prints name=value lines; Scripts/bench makes tables of them.",
        subcommands: [Changes.self, Load.self])
}

struct ClusterOptions: ParsableArguments {
    @Option(help: "Services.") var services = 10_000
    @Option(help: "Endpoints of each slice.") var endpoints = 10
    @Option(help: "Slices of each Service.") var slices = 1

    var cluster: MemoryCluster { MemoryCluster(services: services, endpoints: endpoints, slices: slices) }

    /// The desired state of a node, without objects.
    static var empty: DesiredState {
        var options = DataplaneOptions()
        options.localDetector = .clusterCIDRs(["10.128.0.0/9"].compactMap { CIDR($0) })
        return DesiredState(
            options: options, settings: NodeSettings(nodeName: MemoryCluster.nodeName),
            host: HostFacts(addresses: []))
    }

    /// Hands the objects over in pages, as a source does.
    func load(into reconciler: Reconciler<some DataplaneKernel>) {
        reconciler.load(cluster.clusterChanges)
        for start in stride(from: 0, to: services, by: 500) {
            reconciler.load(cluster.changes(start..<min(start + 500, services)))
        }
    }
}

/// What changes cost, through all stages and the encoder, without a kernel. Under callgrind only they are counted:
///
///     valgrind --tool=callgrind --instr-atstart=no fairlead-probe changes --services 1000
struct Changes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replace one endpoint of one Service after the other; count instructions with callgrind.")

    @OptionGroup var options: ClusterOptions
    @Option(help: "How many changes.") var count = 200
    @Option(help: "How many Services change in one update.") var batch = 1

    func run() throws {
        let kernel = EncodingKernel()
        let reconciler = Reconciler(kernel: kernel, desired: ClusterOptions.empty)
        options.load(into: reconciler)
        do throws(NetlinkError) {
            _ = try reconciler.synchronize()
            try change(reconciler, from: 0, count: 20)
            let before = kernel.bytes
            // Made before the count begins: a source decodes objects, but not by this code.
            let updates = self.updates(from: 20, count: count)
            let clock = ContinuousClock()
            var total = Duration.zero
            fl_probe_begin()
            for update in updates {
                let start = clock.now
                _ = try reconciler.apply(update)
                _ = reconciler.takeNewFindings()
                total += clock.now - start
            }
            fl_probe_end()
            print("changes=\(count * batch)")
            print("bytes=\(kernel.bytes - before)")
            print("microseconds=\(Double(total / .nanoseconds(1)).rounded() / 1000 / Double(count * batch))")
        } catch {
            throw CleanExit.message("\(error)")
        }
    }

    private func change(_ reconciler: Reconciler<EncodingKernel>, from: Int, count: Int) throws(NetlinkError) {
        for update in updates(from: from, count: count) { _ = try reconciler.apply(update) }
    }

    /// The Services are spread over all that there are, and the slices over all of a Service.
    private func updates(from: Int, count: Int) -> [[ClusterChange]] {
        (from..<from + count).map { number in
            (0..<batch).map { part in
                let sequence = number * batch + part
                let service = sequence &* 7919 % options.services
                let slice = sequence &* 7919 / options.services % options.slices
                return .applied(.endpointSlice(options.cluster.slice(service, part: slice, change: sequence)))
            }
        }
    }
}

/// Cold load and restart against a replay of the same bytes, and memory.
struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Load and take over tables, against a replay of the same bytes; needs network namespaces.")

    @OptionGroup var options: ClusterOptions
    @Option(help: "How often.") var runs = 3
    @Option(help: "How often what was loaded is taken over.") var restarts = 1

    func run() throws {
        let recorder = EncodingKernel(keeps: true)
        let recording = Reconciler(kernel: recorder, desired: ClusterOptions.empty)
        options.load(into: recording)
        do throws(NetlinkError) { _ = try recording.synchronize() } catch { throw CleanExit.message("\(error)") }
        for _ in 0..<runs {
            try replay(recorder.batches)
            try load()
        }
    }

    /// The floor: the same bytes, already there, to the kernel.
    private func replay(_ batches: [[UInt8]]) throws {
        let namespace = try NetworkNamespace("replay")
        let kernel = try Self.kernel(in: namespace)
        let cost = Cost()
        do throws(NetlinkError) {
            for batch in batches { try kernel.replay(batch) }
        } catch {
            throw CleanExit.message("\(error)")
        }
        cost.report("replay")
    }

    private func load() throws {
        let namespace = try NetworkNamespace("load")
        let reconciler = Reconciler(kernel: try Self.kernel(in: namespace), desired: ClusterOptions.empty)
        let other = try Self.kernel(in: namespace)
        fl_probe_trim()
        let before = Cost.residentBytes
        do throws(NetlinkError) {
            options.load(into: reconciler)
            fl_probe_trim()
            print("objects.bytes=\(Cost.residentBytes - before)")
            let first = Cost()
            _ = try reconciler.synchronize()
            first.report("load")
            fl_probe_trim()
            print("state.bytes=\(Cost.residentBytes - before)")
            for _ in 0..<restarts {
                let restarted = Reconciler(kernel: other, desired: ClusterOptions.empty)
                options.load(into: restarted)
                let second = Cost()
                let report = try restarted.synchronize()
                second.report("restart")
                print("restart.transactions=\(report.transactions)")
            }
        } catch {
            throw CleanExit.message("\(error)")
        }
    }

    private static func kernel(in namespace: NetworkNamespace) throws -> NftablesKernel {
        let result: Result<NftablesKernel, NetlinkError> = try namespace.run {
            do throws(NetlinkError) { return .success(try NftablesKernel()) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

/// What something costs from the moment that this is made.
struct Cost {
    private let start = ContinuousClock.now
    private let usage = Cost.usage()

    private static func usage() -> (user: Double, system: Double) {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return (seconds(usage.ru_utime), seconds(usage.ru_stime))
    }

    /// Prints it.
    func report(_ name: String) {
        let wall = (ContinuousClock.now - start) / .milliseconds(1)
        let now = Self.usage()
        print("\(name).wall.ms=\(Int(wall))")
        print("\(name).user.ms=\(Int((now.user - usage.user) * 1000))")
        print("\(name).system.ms=\(Int((now.system - usage.system) * 1000))")
    }

    /// The memory that this process has in use.
    static var residentBytes: Int {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 128)
        let count = read(file, &buffer, buffer.count)
        let words = String(decoding: buffer[..<max(0, count)], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
