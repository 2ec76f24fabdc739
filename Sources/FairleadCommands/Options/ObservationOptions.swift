import ArgumentParser
import KubernetesConfiguration
import NetworkTypes
import Observability
import Reconciliation
import ServiceDataplane
import Telemetry

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

    /// What this says that kube-proxy has no counterpart for.
    var ownArguments: [String] { statusPage?.description == "false" ? ["--status-page=false"] : [] }

    var given: [(name: String, value: String)] {
        var given: [(name: String, value: String)] = []
        given.add("healthz-bind-address", healthzBindAddress)
        given.add("metrics-bind-address", metricsBindAddress)
        given.add("bind-address-hard-fail", bindAddressHardFail)
        return given
    }
}

extension ObservationOptions {
    /// What answers for the status page; nil if it is turned off.
    func statusPage(
        _ board: StatusBoard, _ counters: ServiceCounters, _ daemon: Daemon, _ node: NodeSettings,
        _ options: DataplaneOptions
    ) -> StatusAPI? {
        if statusPage?.description == "false" { return nil }
        let views = DaemonViews(board) {
            let known = await daemon.knowledge()
            return DaemonView(
                desired: known.desired, sourceFindings: known.sourceFindings, revision: known.revision)
        }
        return StatusAPI(
            board: board, counters: counters, views: views, nodeName: node.nodeName,
            countsConnections: options.countsConnections)
    }
}

extension KubeProxyConfiguration {
    /// Where health is told.
    var healthzPlaces: [ListenAddress] { ListenAddress.parse(healthzAddress, defaultPort: 10256) ?? [] }

    /// Where metrics are told.
    var metricsPlaces: [ListenAddress] { ListenAddress.parse(metricsAddress, defaultPort: 10249) ?? [] }
}
