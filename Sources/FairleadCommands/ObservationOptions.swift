import ArgumentParser
import KubernetesConfiguration
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

    var given: [(name: String, value: String)] {
        var given: [(name: String, value: String)] = []
        given.add("healthz-bind-address", healthzBindAddress)
        given.add("metrics-bind-address", metricsBindAddress)
        given.add("bind-address-hard-fail", bindAddressHardFail)
        return given
    }
}

extension KubeProxyConfiguration {
    /// Where health is told.
    var healthzPlaces: [ListenAddress] { ListenAddress.parse(healthzAddress, defaultPort: 10256) ?? [] }

    /// Where metrics are told.
    var metricsPlaces: [ListenAddress] { ListenAddress.parse(metricsAddress, defaultPort: 10249) ?? [] }
}
