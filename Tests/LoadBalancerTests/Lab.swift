import FairleadTestKit
import NetworkTypes
import Testing

/// What the suites have in common.
enum Lab {
    /// Where clients connect to at the balancer.
    static let front = HostPort(LabTopology.balancerIPv4, 80)

    /// The top of the repository.
    static let root: String = {
        #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    }()

    /// The pages whose configurations are used.
    static func document() throws(TestKitError) -> Document {
        try Document(paths: ["load-balancers", "lb-pool", "virtual-addresses"].map { "\(root)/docs/\($0).md" })
    }

    /// Starts HAProxy with a configuration of the page.
    static func haproxy(_ block: String, in cluster: LabCluster) async throws(TestKitError) -> HAProxy {
        try await HAProxy(try document().block(block), in: cluster.lab.balancer.namespace)
    }

    /// Puts what a load came to where whoever runs the tests sees it.
    static func record(_ name: String, _ report: LoadReport) { print("load: \(name): \(report)") }
}
