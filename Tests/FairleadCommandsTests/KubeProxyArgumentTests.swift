import ArgumentParser
import Testing

@testable import FairleadCommands
@testable import KubernetesConfiguration

/// Parses `fairlead run` with these arguments, as the program does.
func parse(_ arguments: [String]) throws -> Run {
    try Run.parse(Array(KubeProxyArguments.translate(["run"] + arguments).dropFirst()))
}

extension Run {
    /// The configuration that the options come to, without a file.
    var draft: ConfigurationDraft {
        get throws {
            var draft = ConfigurationDraft()
            let groups: [any KubeProxyOptions] = [source, node, process, observation, conntrack]
            try draft.apply(groups.flatMap(\.given))
            return draft
        }
    }
}

@Suite struct KubeProxyArgumentTests {
    /// The flags of kube-proxy 1.36 that take a value, each with one.
    private static let values: [String: String] = [
        "bind-address": "10.0.0.1", "cluster-cidr": "10.0.0.0/8,fd00::/8", "config": "/dev/null",
        "config-sync-period": "10m", "conntrack-max-per-core": "1", "conntrack-min": "2",
        "conntrack-tcp-timeout-close-wait": "1m", "conntrack-tcp-timeout-established": "1h",
        "conntrack-udp-timeout": "3s", "conntrack-udp-timeout-stream": "4s", "detect-local-mode": "NodeCIDR",
        "feature-gates": "A=true", "healthz-bind-address": "10.0.0.1:1", "healthz-port": "0",
        "hostname-override": "n", "iptables-masquerade-bit": "3", "iptables-min-sync-period": "2s",
        "iptables-sync-period": "31s", "ipvs-exclude-cidrs": "10.0.0.0/8", "ipvs-min-sync-period": "2s",
        "ipvs-scheduler": "rr", "ipvs-sync-period": "31s", "ipvs-tcp-timeout": "1s", "ipvs-tcpfin-timeout": "1s",
        "ipvs-udp-timeout": "1s", "kube-api-burst": "11", "kube-api-content-type": "application/json",
        "kube-api-qps": "6.5", "kubeconfig": "/k", "log-backtrace-at": "a:1", "log-dir": "/l", "log-file": "/f",
        "log-file-max-size": "1", "log-flush-frequency": "1s", "log-json-info-buffer-size": "1Ki",
        "log-text-info-buffer-size": "1Ki", "logging-format": "json", "master": "https://m",
        "metrics-bind-address": "10.0.0.1:2", "metrics-port": "0", "nodeport-addresses": "primary",
        "oom-score-adj": "-7", "pod-bridge-interface": "br0", "pod-interface-name-prefix": "veth",
        "proxy-mode": "nftables", "show-hidden-metrics-for-version": "1.35", "stderrthreshold": "2", "v": "2",
        "vmodule": "a=1", "write-config-to": "/w",
    ]

    private static let switches: Set<String> = [
        "add-dir-header", "alsologtostderr", "bind-address-hard-fail", "cleanup", "conntrack-tcp-be-liberal",
        "init-only", "iptables-localhost-nodeports", "ipvs-strict-arp", "log-json-split-stream",
        "log-text-split-stream", "logtostderr", "masquerade-all", "one-output", "profiling", "skip-headers",
        "skip-log-headers",
    ]

    @Test func everyFlagIsInOneOfTheTables() {
        let names = Set(Self.values.keys).union(Self.switches).union(["help", "version"])
        #expect(names == Set(KubeProxyFlag.all.map(\.name)))
        #expect(KubeProxyArguments.options.isSubset(of: names))
        for flag in KubeProxyFlag.all where !["help", "version"].contains(flag.name) {
            #expect(flag.isBoolean == Self.switches.contains(flag.name), "\(flag.name)")
        }
    }

    /// All flags at once: what each is given arrives, whichever way it is written.
    @Test(arguments: 0..<3)
    func everyFlagWithAValueIsAccepted(_ spelling: Int) throws {
        let arguments = Self.values.sorted { $0.key < $1.key }.flatMap { name, value in
            switch spelling {
            case 0: ["--\(name)=\(value)"]
            case 1: ["--\(name)", value]
            default: ["--\(name.replacing("-", with: "_"))=\(value)"]
            }
        }
        let run = try parse(arguments)
        let draft = try run.draft
        let values = draft.configuration
        for name in Self.values.keys {
            guard case .key(let path) = KubeProxyFlag.named(name)?.meaning else { continue }
            #expect(draft.says(path), "\(name)")
            #expect(KubeProxyConfiguration.key(path)?.isDefault(values) == false, "\(name)")
        }
        #expect(values.minSyncPeriod == GoDuration(seconds: 2))
        #expect(values.syncPeriod == GoDuration(seconds: 31))
        #expect(values.healthzAddress == "" && values.metricsAddress == "")
        #expect(run.source.master == "https://m")
        #expect(run.file.config == "/dev/null")
        #expect(run.process.writeConfigTo == "/w")
        #expect(draft.ineffective.filter { $0.place.hasPrefix("--log-") || $0.place == "--stderrthreshold" }.count == 8)
    }

    @Test(arguments: ["", "=true", "=1", "=false"])
    func everySwitchIsAccepted(_ ending: String) throws {
        let run = try parse(Self.switches.sorted().map { "--\($0)\(ending)" })
        let isOn = ending != "=false"
        let values = try run.draft.configuration
        #expect(values.bindAddressHardFail == isOn)
        #expect(values.conntrack.tcpBeLiberal == isOn)
        #expect(values.iptables.localhostNodePorts == isOn)
        #expect(values.ipvs.strictARP == isOn)
        #expect(values.logging.json.splitStream == isOn)
        #expect(values.logging.text.splitStream == isOn)
        #expect(values.masqueradeAll == isOn)
        #expect(values.enableProfiling == isOn)
        #expect(run.process.cleanup == isOn)
        #expect(run.process.initOnly == isOn)
        let silent = try run.draft.ineffective.count { $0.message.hasSuffix("standard error and nowhere else") }
        #expect(silent == 6)
    }

    @Test(arguments: [["--help"], ["--version"], ["--version=raw"], ["--version=true"], ["-h"]])
    func helpAndVersionEndTheProgramWell(_ arguments: [String]) {
        do {
            _ = try parse(arguments)
            Issue.record("went on")
        } catch {
            #expect(Run.exitCode(for: error) == .success)
        }
    }

    @Test(arguments: [["-v", "4"], ["-v=4"], ["-v4"], ["--v=4"], ["--v", "4"]])
    func verbosityHasManySpellings(_ arguments: [String]) throws {
        #expect(try parse(arguments).draft.configuration.logging.verbosity == 4)
    }

    @Test("Only what serves gives up privileges: what writes a file or a setting, or cleans up, ends at once")
    func whatEndsAtOnce() {
        func endsAtOnce(_ arguments: String...) -> Bool {
            ProxyOptions.endsAtOnce(KubeProxyArguments.translate(["run"] + arguments))
        }
        #expect(endsAtOnce("--init-only"))
        #expect(endsAtOnce("--config", "c.conf", "--write_config_to=/w"))
        #expect(endsAtOnce("--write-config-to", "/w"))
        #expect(endsAtOnce("--cleanup=true"))
        #expect(!endsAtOnce("--cleanup=false", "--init-only=false"))
        #expect(!endsAtOnce("--cleanup-on-exit", "--manifests", "--init"))
        #expect(!endsAtOnce())
    }

    /// Those whose empty value is as none, as kube-proxy has it.
    private static let texts: [String] = [
        "bind-address", "cluster-cidr", "config", "detect-local-mode", "feature-gates", "hostname-override",
        "ipvs-exclude-cidrs", "ipvs-scheduler", "kube-api-content-type", "kubeconfig", "log-backtrace-at", "log-dir",
        "log-file", "logging-format", "master", "nodeport-addresses", "pod-bridge-interface",
        "pod-interface-name-prefix", "proxy-mode", "show-hidden-metrics-for-version", "vmodule", "write-config-to",
        "node-name", "context",
    ]

    @Test("a flag with an empty value is as if absent, for every command and in every spelling", arguments: texts)
    func emptyTexts(_ name: String) {
        for command in ["run", "render", "diff", "apply", "explain", "advise"] {
            let rest = ["--strict-local", "--log-level", "debug"]
            for empty in [["--\(name)="], ["--\(name)", ""], ["--\(name.replacing("-", with: "_"))="]] {
                if empty[0].contains("_"), ["node-name", "context"].contains(name) { continue }
                #expect(KubeProxyArguments.translate([command] + empty + rest) == [command] + rest, "\(empty)")
                #expect(KubeProxyArguments.translate([command] + rest + empty) == [command] + rest, "\(empty)")
            }
        }
    }

    @Test("an empty address of a server means that there is none; numbers, durations and switches have no empty value")
    func otherEmptyValues() throws {
        let others = Set(KubeProxyFlag.all.filter { !$0.isAbsentIfEmpty }.map(\.name))
        #expect(others.isDisjoint(with: Self.texts))
        for name in others.subtracting(["healthz-bind-address", "metrics-bind-address"]).sorted() {
            // What has no effect is not looked at.
            if case .own(.none) = KubeProxyFlag.named(name)?.meaning { continue }
            #expect(throws: (any Error).self, "--\(name)=") { _ = try parse(["--\(name)="]).draft }
        }
        let values = try parse(["--healthz-bind-address=", "--metrics-bind-address="]).draft.configuration
        #expect(values.healthzAddress.isEmpty && values.metricsAddress.isEmpty)
    }

    @Test("--cleanup with a value that is invalid does not clean up", arguments: ["", "yes", "2"])
    func emptyCleanup(_ value: String) {
        for name in ["cleanup", "init-only"] {
            do {
                _ = try parse(["--\(name)=\(value)"])
                Issue.record("accepted --\(name)=\(value)")
            } catch {
                #expect(Run.message(for: error) == "--\(name): true or false, not \"\(value)\"")
            }
        }
    }

    @Test func otherArgumentsStayAsTheyAre() throws {
        let others = ["run", "--log-level", "debug", "--strict-local", "--", "--v=3"]
        #expect(KubeProxyArguments.translate(others) == others)
        #expect(KubeProxyArguments.translate(["render", "--v=3"]) == ["render", "--v=3"])
        #expect(KubeProxyArguments.translate([]) == [])
    }

    @Test(arguments: [
        (["--ipvs-scheduler"], "--ipvs-scheduler needs a value"),
        (["--no-such-flag"], "Unknown option '--no-such-flag'"),
    ])
    func whatIsIncompleteOrUnknownIsRefused(_ arguments: [String], _ message: String) {
        do {
            _ = try parse(arguments)
            Issue.record("accepted")
        } catch {
            #expect(Run.message(for: error) == message)
            #expect(Run.exitCode(for: error) == .validationFailure)
        }
    }
}
