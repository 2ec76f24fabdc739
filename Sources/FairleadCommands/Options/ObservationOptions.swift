import ArgumentParser
import KubernetesConfiguration

/// Where `run` tells how it is; kube-proxy's names and defaults.
struct ObservationOptions: ParsableArguments, KubeProxyOptions {
    @Option(
        help: ArgumentHelp(
            "Address and port of /healthz, /livez and /readyz; empty for none. (default: 0.0.0.0:10256)",
            discussion: "0.0.0.0 stands for all addresses of both families."))
    var healthzBindAddress: String?

    @Option(help: "Address and port of /metrics; empty for none. (default: 127.0.0.1:10249)")
    var metricsBindAddress: String?

    @Option(
        defaultAsFlag: Switch.on, parsing: .next,
        help: "End with exit code 1 if one of these two cannot be listened on when run starts.")
    var bindAddressHardFail: Switch?

    @Option(
        help: ArgumentHelp(
            "How long the API server may not tell of changes before /readyz fails; 0 for ever. (default: 10m0s)",
            discussion: "Without the API server, all nodes fail at about the same time."))
    var readyWithoutApi: GoDuration?

    @Option(
        defaultAsFlag: Switch.on, parsing: .next,
        help: ArgumentHelp(
            "Serve the status page, and what 'fairlead status' reads, where metrics are told. (default: true)",
            discussion: "Both tell Services and endpoints to whoever reaches --metrics-bind-address."))
    var statusPage: Switch?

    func validate() throws {
        if let statusPage, Bool(statusPage.description) == nil {
            throw ValidationError("--status-page: true or false, not \"\(statusPage)\"")
        }
        if let readyWithoutApi, readyWithoutApi.nanoseconds < 0 {
            throw ValidationError("--ready-without-api: a duration such as 10m, or 0")
        }
    }

    /// How long objects may not be followed before `/readyz` fails; nil if it does not matter how long.
    var sourcePatience: Duration? {
        guard let readyWithoutApi else { return .seconds(600) }
        return readyWithoutApi.isZero ? nil : readyWithoutApi.duration
    }

    /// Whether the status page and what it reads are served.
    var servesStatusPage: Bool { statusPage?.description != "false" }

    /// What this says that kube-proxy has no counterpart for.
    var ownArguments: [String] {
        (servesStatusPage ? [] : ["--status-page=false"])
            + (readyWithoutApi.map { ["--ready-without-api=\($0)"] } ?? [])
    }

    var given: [(name: String, value: String)] {
        var given: [(name: String, value: String)] = []
        given.add("healthz-bind-address", healthzBindAddress)
        given.add("metrics-bind-address", metricsBindAddress)
        given.add("bind-address-hard-fail", bindAddressHardFail)
        return given
    }
}
