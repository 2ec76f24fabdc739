import ArgumentParser
import Telemetry

/// Where `run` tells how it is; kube-proxy's names and defaults.
struct ObservationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Address and port of /healthz and /livez; empty for none.",
            discussion: "0.0.0.0 stands for all addresses of both families."))
    var healthzBindAddress = "0.0.0.0:10256"

    @Option(help: "Address and port of /metrics; empty for none.")
    var metricsBindAddress = "127.0.0.1:10249"

    func validate() throws {
        _ = try healthz()
        _ = try metrics()
    }

    func healthz() throws -> [ListenAddress] {
        try Self.parse(healthzBindAddress, option: "--healthz-bind-address", defaultPort: 10256)
    }

    func metrics() throws -> [ListenAddress] {
        try Self.parse(metricsBindAddress, option: "--metrics-bind-address", defaultPort: 10249)
    }

    private static func parse(_ text: String, option: String, defaultPort: UInt16) throws -> [ListenAddress] {
        if text.isEmpty { return [] }
        guard let addresses = ListenAddress.parse(text, defaultPort: defaultPort) else {
            throw ValidationError("\(option): \"\(text)\" is not an address with a port such as 0.0.0.0:\(defaultPort)")
        }
        return addresses
    }
}
