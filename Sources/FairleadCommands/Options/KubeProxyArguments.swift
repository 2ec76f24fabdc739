import ArgumentParser
import KubernetesConfiguration

/// Options that are there because kube-proxy has them.
struct ProxyOptions: ParsableArguments, KubeProxyOptions {
    @Option(
        name: [.long, .customLong("iptables-min-sync-period")],
        help: "Least time between two commits while changes keep coming. (default: none)")
    var minSyncPeriod: GoDuration?

    @Option(
        parsing: .unconditional, help: "How the kernel rates this process when memory is short. (default: -999)")
    var oomScoreAdj: Int?

    @Flag(help: "Only set up connection tracking, which needs privileges, and end.")
    var initOnly = false

    @Flag(help: "Only remove the rules, as 'fairlead cleanup' does, and end.")
    var cleanup = false

    @Option(help: "Only write the configuration in force to this file, and end.")
    var writeConfigTo: String?

    /// Any other flag of kube-proxy, as `NAME=VALUE`; see `KubeProxyArguments`.
    @Option(name: .customLong(KubeProxyArguments.carrier), help: .hidden)
    var accepted: [String] = []

    /// Whether arguments have one of the flags that have something else done than to serve.
    static func endsAtOnce(_ arguments: [String]) -> Bool {
        let flags = ["--init-only", "--cleanup", "--write-config-to"]
        return arguments.contains { argument in flags.contains(String(argument.prefix { $0 != "=" })) }
    }

    func validate() throws {
        for flag in accepted where !flag.contains("=") { throw ValidationError("--\(flag) needs a value") }
        for flag in accepted {
            let name = flag.prefix { $0 != "=" }
            guard KubeProxyArguments.switches.contains(String(name)) else { continue }
            throw ValidationError("--\(name): true or false, not \"\(flag.dropFirst(name.count + 1))\"")
        }
    }

    var given: [(name: String, value: String)] {
        var given = accepted.map { flag in
            let name = flag.prefix { $0 != "=" }
            return (name: String(name), value: String(flag.dropFirst(name.count + 1)))
        }
        given.add("iptables-min-sync-period", minSyncPeriod)
        given.add("oom-score-adj", oomScoreAdj)
        return given
    }
}

/// kube-proxy's command line in terms of Fairlead's.
///
/// `fairlead run` has options of its own for the flags that matter. The rest, which would only fill its help, is carried
/// by one hidden option. Go's ways to write flags are understood: `_` for `-`, `-v=2`, `--version=true`.
enum KubeProxyArguments {
    /// The hidden option.
    static let carrier = "kube-proxy-flag"

    /// The switches that ArgumentParser takes without a value only.
    static let switches: Set<String> = ["cleanup", "help", "init-only", "version"]

    /// The flags that `fairlead run` has an option for.
    static let options: Set<String> = [
        "bind-address", "bind-address-hard-fail", "cleanup", "cluster-cidr", "config", "conntrack-max-per-core",
        "conntrack-min", "conntrack-tcp-be-liberal", "conntrack-tcp-timeout-close-wait",
        "conntrack-tcp-timeout-established", "conntrack-udp-timeout", "conntrack-udp-timeout-stream",
        "detect-local-mode", "healthz-bind-address", "help", "hostname-override", "init-only",
        "iptables-min-sync-period", "kubeconfig", "masquerade-all", "master", "metrics-bind-address",
        "nodeport-addresses", "oom-score-adj", "pod-bridge-interface", "pod-interface-name-prefix", "version",
        "write-config-to",
    ]

    /// Options of Fairlead's own that take a text, of which an empty one is as none; kube-proxy's flags know it of themselves.
    private static let ownTexts: Set<String> = ["context", "node-name"]

    /// Leaves out options whose value is empty, where that is as if they were not there: templates write such lines.
    private static func withoutEmptyTexts(_ arguments: [String]) -> [String] {
        var result: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" { return result + [argument] + rest }
            let isText =
                split(argument).map { name, _ in
                    KubeProxyFlag.named(name)?.isAbsentIfEmpty ?? ownTexts.contains(name)
                } ?? false
            guard isText, let (_, value) = split(argument) else {
                result.append(argument)
                continue
            }
            if let value {
                if !value.isEmpty { result.append(argument) }
            } else if let value = rest.popFirst(), !value.isEmpty {
                result += [argument, value]
            } else if rest.isEmpty, arguments.last == argument {
                // Without a value, which is for the parser to say.
                result.append(argument)
            }
        }
        return result
    }

    /// Translates the arguments of the process, without its own name. Those of other commands than `run` stay as they are,
    /// but for options with empty values.
    static func translate(_ arguments: [String]) -> [String] {
        let arguments = withoutEmptyTexts(arguments)
        guard arguments.first == "run" else { return arguments }
        var result = ["run"]
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            if argument == "--" { return result + [argument] + rest }
            guard let (name, value) = split(argument), let flag = KubeProxyFlag.named(name) else {
                result.append(argument)
                continue
            }
            if switches.contains(flag.name) {
                // Without a value for ArgumentParser; `--version=raw` is kube-proxy's. A value that is invalid is for
                // `ProxyOptions` to refuse: an empty variable must not clean up.
                let isRaw = flag.name == "version" && value == "raw"
                switch value.map({ isRaw ? true : KubeProxyFlag.boolean($0) }) ?? true {
                case true?: result.append("--\(flag.name)")
                case false?: break
                case nil: result += ["--\(carrier)", "\(flag.name)=\(value ?? "")"]
                }
            } else if options.contains(flag.name) {
                // ArgumentParser takes an empty value only as an argument of its own.
                let isEmpty = value?.isEmpty ?? false
                result += isEmpty ? ["--\(flag.name)", ""] : ["--\(flag.name)" + (value.map { "=\($0)" } ?? "")]
            } else if let value = value ?? (flag.isBoolean ? "true" : rest.popFirst()) {
                result += ["--\(carrier)", "\(flag.name)=\(value)"]
            } else {
                result += ["--\(carrier)", flag.name]
            }
        }
        return result
    }

    /// Name and value of a flag; nil if this is none. Of the short ones kube-proxy knows `-v` (`-v=2`, `-v2`) and `-h`.
    private static func split(_ argument: String) -> (name: String, value: String?)? {
        if argument.hasPrefix("--") {
            let name = argument.dropFirst(2).prefix { $0 != "=" }
            let value = argument.dropFirst(2 + name.count)
            return (String(name), value.isEmpty ? nil : String(value.dropFirst()))
        }
        guard argument.hasPrefix("-v") else { return nil }
        let value = argument.dropFirst(argument.hasPrefix("-v=") ? 3 : 2)
        return ("v", argument == "-v" ? nil : String(value))
    }

    /// What the help says of the flags that it does not list.
    static var help: String {
        var inert: [String] = []
        for flag in KubeProxyFlag.all where !options.contains(flag.name) {
            if case .none = flag.effect { inert.append("--\(flag.name)") }
        }
        return """
            All flags of kube-proxy are accepted. These have no effect, and a line of the log says so of each that is \
            given: \(inert.joined(separator: ", ")).
            """
    }
}
