import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

/// The program with a configuration file of kube-proxy, and with kube-proxy's ways to be started for one purpose only.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct ConfigurationFileTests {
    private static let header = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"

    /// A namespace, manifests in a folder, and a configuration file.
    private struct Bench {
        let namespace: NetworkNamespace
        let manifests: TemporaryDirectory
        let directory: TemporaryDirectory
        let fairlead: FairleadCommand
        var path: String { "\(directory.path)/config.conf" }

        init(_ configuration: String) throws {
            namespace = try NetworkNamespace("settings")
            manifests = try TemporaryDirectory()
            directory = try TemporaryDirectory()
            fairlead = try FairleadCommand()
            try manifests.write(Manifest.cluster, to: "cluster.yaml")
            try write(configuration)
        }

        func write(_ configuration: String) throws { try directory.write(header + configuration, to: "config.conf") }

        var arguments: [String] { ["--manifests", manifests.path, "--config", path] }

        func start(_ more: [String] = []) async throws -> Daemon {
            try await fairlead.start(["run"] + arguments + more, in: namespace)
        }

        func run(_ command: String, _ more: [String] = []) async throws -> ProgramResult {
            try await fairlead.run([command] + arguments + more, in: namespace)
        }
    }

    @Test("render, diff, apply and run read the file; options win over it")
    func commands() async throws {
        let bench = try Bench(
            "hostnameOverride: node1\nclusterCIDR: 10.77.0.0/16\niptables: {masqueradeAll: true}\nudpIdleTimeout: 1s")
        let rendered = try await bench.run("render").requireSuccess()
        #expect(rendered.standardOutput.contains("elements = { 10.77.0.0/16 }"))
        #expect(
            rendered.standardOutput.contains(
                "\n\t\tct original ip daddr @cluster-ips ct id != @foreign-flows masquerade"))
        #expect(rendered.standardError.contains(":6: udpIdleTimeout: is not known, and has no effect\n"))
        try await bench.run("apply").requireSuccess()
        #expect(try await bench.run("diff").status == 0)
        #expect(try await bench.run("diff", ["--masquerade-all=false"]).status == 1)
        let daemon = try await bench.start(["--cluster-cidr", "10.78.0.0/16"])
        try await daemon.waitForOutput("serving")
        #expect(try await NFT(bench.namespace).elements(of: "cluster-cidrs", .ipv4) == ["10.78.0.0/16"])
    }

    @Test("a file that cannot be used changes nothing, and the exit code says so")
    func broken() async throws {
        let bench = try Bench("oomScoreAdj: 2000")
        for (command, status) in [("render", 1), ("diff", 2), ("apply", 1), ("run", 1)] {
            let result = try await bench.run(command)
            #expect(result.status == Int32(status), "\(command): \(result)")
            #expect(result.standardError.contains("config.conf:3: oomScoreAdj: must be -1000 to 1000, is 2000\n"))
        }
        #expect(try await NFT(bench.namespace).listTables() == [])
    }

    @Test("the daemon ends when its file asks for something else, and not when it says nonsense or the same")
    func change() async throws {
        let bench = try Bench("hostnameOverride: node1")
        let daemon = try await bench.start(["--cleanup-on-exit"])
        try await daemon.waitForOutput("serving")
        try bench.write("# the same\nhostnameOverride: node1")
        // Longer than it takes the daemon to look again.
        try await Task.sleep(for: .seconds(7))
        #expect(daemon.isRunning)
        try bench.write("hostnameOverride: node1\nmode: magic")
        let complaint = "must be iptables, ipvs or nftables, or empty, is \"magic\"; the configuration in force stays"
        try await daemon.waitForOutput(complaint, timeLimit: .seconds(30))
        try await Task.sleep(for: .seconds(1))
        #expect(daemon.isRunning && !daemon.output.contains("has changed"))
        try bench.write("hostnameOverride: node2")
        let end = try await daemon.waitForEnd(timeLimit: .seconds(30))
        #expect(end.status == 1)
        #expect(daemon.output.contains("config.conf has changed: ending, to be started again with it"))
        // The next start wants them as they are.
        #expect(try await NFT(bench.namespace).listTables().count == 2)
    }

    @Test("the daemon takes kube-proxy's value for when memory is short, or the one it is given")
    func memory() async throws {
        let bench = try Bench("hostnameOverride: node1")
        for (options, expected) in [([], "-999"), (["--oom-score-adj=17"], "17")] {
            let daemon = try await bench.start(["--log-level", "info"] + options)
            try await daemon.waitForOutput("serving")
            // Only root may ask for less than there is.
            let isRefused = daemon.output.contains("info: write -999 to /proc/self/oom_score_adj")
            #expect(daemon.processFile("oom_score_adj") == expected || isRefused && options.isEmpty, "\(daemon.output)")
            daemon.signal(SIGKILL)
            _ = try await daemon.waitForEnd()
        }
    }

    @Test("with --bind-address-hard-fail a port that is taken ends the daemon, without it the daemon goes on")
    func hardFail() async throws {
        let bench = try Bench("hostnameOverride: node1\nmetricsBindAddress: 127.0.0.1:10256")
        let soft = try await bench.start()
        try await soft.waitForOutput("serving")
        #expect(soft.output.contains("cannot listen on 127.0.0.1:10256"))
        soft.signal(SIGTERM)
        #expect(try await soft.waitForEnd().status == 0)
        try bench.write("hostnameOverride: node1\nmetricsBindAddress: 127.0.0.1:10256\nbindAddressHardFail: true")
        let hard = try await bench.start()
        #expect(try await hard.waitForEnd().status == 1)
        #expect(hard.output.contains("--bind-address-hard-fail ends the daemon"))
        #expect(!hard.output.contains("serving"))
    }

    @Test("--write-config-to writes what is in force, and that reads as the same")
    func write() async throws {
        let bench = try Bench("hostnameOverride: node1\nmode: nftables")
        let written = "\(bench.directory.path)/written.conf"
        let result = try await bench.fairlead.run(
            ["run", "--config", bench.path, "--oom-score-adj", "-3", "--write-config-to", written], in: bench.namespace)
        try result.requireSuccess()
        let again = try await bench.fairlead.run(
            ["run", "--config", written, "--write-config-to", "/dev/stdout"], in: bench.namespace)
        #expect(again.standardOutput.contains("\noomScoreAdj: -3\n"))
        #expect(again.standardOutput.contains("\nhostnameOverride: \"node1\"\n"))
        #expect(again.standardError == "")
        let nowhere = try await bench.fairlead.run(["run", "--write-config-to", "/nowhere/x"], in: bench.namespace)
        #expect(nowhere.status == 1)
        #expect(nowhere.standardError.contains("/nowhere/x: cannot be written: No such file or directory"))
    }

    @Test("--init-only sets up connection tracking and makes no rules; --cleanup removes the rules")
    func purposes() async throws {
        let bench = try Bench("hostnameOverride: node1\nconntrack: {maxPerCore: 0, udpTimeout: 41s}")
        try await bench.run("run", ["--init-only"]).requireSuccess()
        #expect(try await bench.namespace.parameter("netfilter/nf_conntrack_udp_timeout") == "41")
        #expect(try await NFT(bench.namespace).listTables() == [])
        try await bench.run("apply").requireSuccess()
        #expect(try await NFT(bench.namespace).listTables().count == 2)
        try await bench.run("run", ["--cleanup"]).requireSuccess()
        #expect(try await NFT(bench.namespace).listTables() == [])
    }

    @Test("--bind-address takes the place of the Node's address for node ports")
    func bindAddress() async throws {
        let bench = try Bench("hostnameOverride: node1\nbindAddress: 192.0.2.7")
        let rendered = try await bench.run("render").requireSuccess().standardOutput
        let set = rendered.split(separator: "set nodeport-addresses {")
        #expect(set.count == 3)
        #expect(set[1].prefix(160).contains("elements = { 192.0.2.7 }"), "\(set[1].prefix(160))")
        // The other family keeps the Node's.
        #expect(set[2].prefix(200).contains("elements = { fd00:"), "\(set[2].prefix(200))")
    }
}
