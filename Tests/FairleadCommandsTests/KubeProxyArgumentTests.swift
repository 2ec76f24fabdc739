import ArgumentParser
import KubernetesConfiguration
import Testing

@testable import FairleadCommands

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

    @Test(arguments: values.sorted { $0.key < $1.key }.map { [$0.key, $0.value] })
    func everyFlagWithAValueIsAccepted(_ flag: [String]) throws {
        let (name, value) = (flag[0], flag[1])
        // kube-proxy takes an underscore for each dash.
        let spellings = [
            ["--\(name)=\(value)"], ["--\(name)", value], ["--\(name.replacing("-", with: "_"))=\(value)"],
        ]
        for spelling in spellings {
            let run = try parse(spelling)
            guard case .own = KubeProxyFlag.named(name)?.meaning else {
                let draft = try run.draft
                #expect(draft.configuration != KubeProxyConfiguration(), "\(spelling)")
                continue
            }
            _ = try run.draft
        }
    }

    @Test(arguments: switches.sorted())
    func everySwitchIsAccepted(_ name: String) throws {
        for spelling in ["--\(name)", "--\(name)=true", "--\(name)=1", "--\(name.replacing("-", with: "_"))=false"] {
            let run = try parse([spelling])
            let draft = try run.draft
            guard case .own = KubeProxyFlag.named(name)?.meaning else {
                let isOn = !spelling.hasSuffix("false")
                // Unset and false differ here, so that the file can be told from the flag.
                let isChanged = name == "iptables-localhost-nodeports" ? true : isOn
                #expect((draft.configuration != KubeProxyConfiguration()) == isChanged, "\(spelling)")
                continue
            }
        }
        #expect(try !parse(["--cleanup=false", "--init-only=false"]).process.initOnly)
        #expect(try parse(["--cleanup", "--init-only=true"]).process.cleanup)
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
