import ArgumentParser

/// Where `run` tells how it is; kube-proxy's names and defaults.
struct ObservationOptions: ParsableArguments, KubeProxyOptions {
    @Option(
        help: ArgumentHelp(
            "Address and port of /healthz and /livez; empty for none. (default: 0.0.0.0:10256)",
            discussion: "0.0.0.0 stands for all addresses of both families."))
    var healthzBindAddress: String?

    @Option(help: "Address and port of /metrics; empty for none. (default: 127.0.0.1:10249)")
    var metricsBindAddress: String?

    @Option(
        defaultAsFlag: Switch.on, parsing: .next,
        help: "End with exit code 1 if one of these two cannot be listened on when run starts.")
    var bindAddressHardFail: Switch?

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
    }

    /// Whether the status page and what it reads are served.
    var servesStatusPage: Bool { statusPage?.description != "false" }

    /// What this says that kube-proxy has no counterpart for.
    var ownArguments: [String] { servesStatusPage ? [] : ["--status-page=false"] }

    var given: [(name: String, value: String)] {
        var given: [(name: String, value: String)] = []
        given.add("healthz-bind-address", healthzBindAddress)
        given.add("metrics-bind-address", metricsBindAddress)
        given.add("bind-address-hard-fail", bindAddressHardFail)
        return given
    }
}
