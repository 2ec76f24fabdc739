import KubernetesModel
import NetworkTypes
import Reconciliation
import ServiceDataplane
import Testing

/// What the node's own objects and interfaces say against the operator's settings.
@Suite struct NodeReviewTests {
    private static func cidrs(_ texts: [String]) throws -> [CIDR] { try texts.map { try #require(CIDR($0)) } }

    private static func desired(
        _ detector: LocalDetector, podCIDRs: [String]? = [], interfaces: [String]? = nil, name: String = "here",
        others: [String] = [], absence: NodeAbsence = .undecided
    ) throws -> DesiredState {
        var changes: [ClusterChange] = others.map { .applied(.node(Node(name: $0))) }
        if let podCIDRs {
            var node = Node(name: "here")
            node.podCIDRs = try cidrs(podCIDRs)
            changes.append(.applied(.node(node)))
        }
        var options = DataplaneOptions()
        options.localDetector = detector
        var desired = DesiredState(
            options: options, settings: NodeSettings(nodeName: name),
            host: HostFacts(addresses: [], interfaces: interfaces))
        _ = desired.load(changes)
        desired.nodeAbsence = absence
        _ = desired.tables()
        return desired
    }

    private static func codes(_ desired: DesiredState) -> [String] { desired.findings.map(\.code) }

    // MARK: Which sources are in the cluster

    @Test(
        "a podCIDR outside of clusterCIDR is a finding of the Node",
        arguments: [
            (["10.77.0.0/16"], ["10.77.1.0/24"], []),
            (["10.99.0.0/16"], ["10.77.1.0/24"], ["spec.podCIDRs[0]"]),
            (["10.77.1.0/25"], ["10.77.1.0/24"], ["spec.podCIDRs[0]"]),
            (["10.99.0.0/16", "10.77.0.0/16"], ["10.77.1.0/24"], []),
            (["10.77.0.0/16"], ["10.77.1.0/24", "fd77:1::/64"], ["spec.podCIDRs[1]"]),
            (["10.77.0.0/16", "fd77::/16"], ["10.77.1.0/24", "fd77:1::/64"], []),
            (["10.77.0.0/16"], [], []),
        ] as [([String], [String], [String])])
    func outside(_ ranges: [String], _ podCIDRs: [String], _ fields: [String]) throws {
        let desired = try Self.desired(.clusterCIDRs(Self.cidrs(ranges)), podCIDRs: podCIDRs)
        #expect(desired.findings.map(\.field) == fields, "\(desired.findings)")
        #expect(desired.findings.allSatisfy { $0.code == "pod-cidr-outside-cluster-cidr" && $0.severity == .warning })
        #expect(desired.findings.allSatisfy { $0.subject == ObjectID(kind: .node, key: ObjectKey(name: "here")) })
    }

    @Test("without clusterCIDR there is a finding, whatever the Node says")
    func noRange() throws {
        #expect(try Self.codes(Self.desired(.clusterCIDRs([]), podCIDRs: nil)) == ["no-cluster-cidr"])
        #expect(try Self.codes(Self.desired(.clusterCIDRs([]), podCIDRs: ["10.77.1.0/24"])) == ["no-cluster-cidr"])
    }

    @Test("NodeCIDR with a Node that has no podCIDR is a finding, which goes when it gets one")
    func nodeCIDR() throws {
        var desired = try Self.desired(.nodeCIDRs)
        #expect(Self.codes(desired) == ["node-without-pod-cidr"])
        #expect(desired.takeNewFindings().count == 1)
        var node = Node(name: "here")
        node.podCIDRs = try Self.cidrs(["10.77.1.0/24"])
        _ = desired.apply([.applied(.node(node))])
        #expect(desired.findings.isEmpty && desired.takeNewFindings().isEmpty)
        #expect(desired.findingCounts.values.allSatisfy { $0 == 0 })
        #expect(try Self.codes(Self.desired(.nodeCIDRs, podCIDRs: nil)).isEmpty, "nothing is known of the Node")
    }

    @Test("a prefix that no interface has, and a bridge that is not there, are findings")
    func interfaces() throws {
        for detector in [LocalDetector.bridge("cni0"), .interfacePrefix("veth")] {
            let missing = try Self.desired(detector, interfaces: ["lo", "eth0", "xveth1", "cni01"])
            #expect(Self.codes(missing) == ["no-pod-interface"], "\(detector)")
            let present = try Self.desired(detector, interfaces: ["lo", "cni0", "veth12"])
            #expect(Self.codes(present).isEmpty, "\(detector)")
            #expect(try Self.codes(Self.desired(detector, interfaces: nil)).isEmpty, "they could not be read")
        }
    }

    // MARK: The node that is not there

    private static let inside = LocalDetector.nodeCIDRs

    @Test("over the API a name that no Node has is a finding with the nearest names, once they are known")
    func missing() throws {
        var desired = try Self.desired(
            Self.inside, podCIDRs: nil, name: "alpha.corp.example", absence: .mistake(names: nil))
        #expect(desired.isNodeMissing && desired.findings.isEmpty)
        desired.nodeAbsence = .mistake(names: ["gamma", "alpha", "alphb", "beta", "alpha-2"])
        let finding = try #require(desired.findings.first)
        #expect(finding.code == "missing-node" && finding.severity == .warning)
        #expect(
            "\(finding)".hasPrefix(
                "Node alpha.corp.example: there is no Node of this name; the nearest names are alpha, "), "\(finding)")
        desired.nodeAbsence = .mistake(names: [])
        #expect("\(desired.findings)".contains("there is no Node of this name: endpoints"))
    }

    @Test("not known yet is not missing; files without any Node ask for none")
    func undecided() throws {
        let pending = try Self.desired(Self.inside, podCIDRs: nil, others: ["beta"], absence: .undecided)
        #expect(!pending.isNodeMissing && pending.findings.isEmpty)
        let none = try Self.desired(Self.inside, podCIDRs: nil, absence: .mistakeAmongOthers)
        #expect(!none.isNodeMissing && none.findings.isEmpty)
        let others = try Self.desired(Self.inside, podCIDRs: nil, others: ["beta"], absence: .mistakeAmongOthers)
        #expect(others.isNodeMissing)
        #expect("\(others.findings)".contains("the nearest name is beta"), "\(others.findings)")
    }

    @Test("a Node that is deleted while the daemon runs is missing from then on, and no longer once it is back")
    func deleted() throws {
        var desired = try Self.desired(
            .clusterCIDRs(Self.cidrs(["10.77.0.0/16"])), podCIDRs: ["10.77.1.0/24"], absence: .mistake(names: ["beta"]))
        #expect(!desired.isNodeMissing && desired.takeNewFindings().isEmpty)
        _ = desired.apply([.deleted(ObjectID(kind: .node, key: ObjectKey(name: "here")))])
        #expect(desired.isNodeMissing && desired.takeNewFindings().map(\.code) == ["missing-node"])
        _ = desired.apply([.applied(.node(Node(name: "here")))])
        #expect(!desired.isNodeMissing && desired.findings.isEmpty)
    }
}
