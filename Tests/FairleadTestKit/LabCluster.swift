import NetworkTypes

/// A ``LabTopology`` whose nodes all run the daemon over one directory of manifests with the Service `default/web`.
public final class LabCluster: Sendable {
    /// The namespaces.
    public let lab: LabTopology
    /// The manifests.
    public let directory: TemporaryDirectory
    /// The daemons, in the order of the nodes.
    public let daemons: [Daemon]

    /// Raises the cluster and waits until all nodes serve.
    public init(_ service: LabService) async throws(TestKitError) {
        let lab = try await LabTopology.make()
        let directory = try TemporaryDirectory()
        try directory.write(LabService.nodes(lab), to: "nodes.yaml")
        try directory.write(service.manifest(in: lab), to: "web.yaml")
        var daemons: [Daemon] = []
        for node in lab.nodes { daemons.append(try await lab.run(node.name, manifests: directory.path)) }
        (self.lab, self.directory, self.daemons) = (lab, directory, daemons)
    }

    /// Replaces the Service; every daemon learns of it by itself.
    public func change(to service: LabService) throws(TestKitError) {
        try directory.write(service.manifest(in: lab), to: "web.yaml")
    }

    /// Replaces the Nodes.
    public func label(_ labels: [String: [String: String]]) throws(TestKitError) {
        try directory.write(LabService.nodes(lab, labels: labels), to: "nodes.yaml")
    }

    /// The status on a node's health check port, as somebody outside gets it.
    public func healthStatus(_ node: String) async throws(TestKitError) -> String {
        let url = "http://\(try lab.host(node).ipv4):\(LabTopology.healthCheckPort)/"
        let arguments = [
            "-s", "--noproxy", "*", "--max-time", "3", "-o", "/dev/null", "-w", "%{http_code}", url,
        ]
        return try await lab.balancer.namespace.execute(Program("curl", arguments)).standardOutput
    }

    /// Moves an endpoint as a rollout does: the new pod is ready, the old one terminates and still serves; once the load
    /// balancer sends no more to the old one's node it goes.
    ///
    /// - Parameter isLeft: waits for the load balancer.
    public func move(
        _ service: inout LabService, from old: String, to new: String,
        isLeft: @Sendable () async throws -> Void
    ) async throws {
        try await lab.start(new)
        service.endpoints[new] = .ready
        service.endpoints[old] = .terminating
        try change(to: service)
        try await isLeft()
        await lab.end(old)
        service.endpoints[old] = nil
        try change(to: service)
    }
}
