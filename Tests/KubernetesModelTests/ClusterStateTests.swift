import DataplaneTestKit
import KubernetesModel
import NetworkTypes
import Testing

@Suite("ClusterState")
struct ClusterStateTests {
    private func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "default", name: name) }

    private func service(_ name: String) -> ClusterChange { .applied(.service(Service(key: key(name)))) }

    private func slice(_ name: String, of service: String?) -> EndpointSlice {
        EndpointSlice(key: key(name), serviceName: service)
    }

    private func applied(_ slice: EndpointSlice) -> ClusterChange { .applied(.endpointSlice(slice)) }

    private func deleted(_ kind: ObjectID.Kind, _ name: String) -> ClusterChange {
        .deleted(ObjectID(kind: kind, key: kind == .node || kind == .serviceCIDR ? ObjectKey(name: name) : key(name)))
    }

    @Test("A Service is affected when it comes, changes and goes, and not when it stays the same")
    func services() {
        var state = ClusterState()
        #expect(state.apply([service("web")]).services == [key("web")])
        #expect(state.apply([service("web")]).isEmpty)
        var changed = Service(key: key("web"))
        changed.type = .nodePort
        #expect(state.apply([.applied(.service(changed))]).services == [key("web")])
        #expect(state.service(key("web")) == changed)
        #expect(state.apply([deleted(.service, "web")]).services == [key("web")])
        #expect(state.apply([deleted(.service, "web")]).isEmpty)
        #expect(state.service(key("web")) == nil)
        #expect(state.serviceCount == 0)
    }

    @Test("A slice affects its Service when it comes, changes and goes, and not when it stays the same")
    func slices() {
        var state = ClusterState()
        _ = state.apply([service("web")])
        var slice = slice("web-1", of: "web")
        #expect(state.apply([applied(slice)]).services == [key("web")])
        #expect(state.apply([applied(slice)]).isEmpty)
        slice.endpoints = [Endpoint(address: .v4(IPv4Address(rawValue: 1)))]
        #expect(state.apply([applied(slice)]).services == [key("web")])
        #expect(state.slices(of: key("web")) == [slice])
        #expect(state.apply([deleted(.endpointSlice, "web-1")]).services == [key("web")])
        #expect(state.apply([deleted(.endpointSlice, "web-1")]).isEmpty)
        #expect(state.slices(of: key("web")).isEmpty)
    }

    @Test("A slice whose label changes affects the old and the new Service")
    func relabelled() {
        var state = ClusterState()
        _ = state.apply([service("a"), service("b"), applied(slice("s", of: "a"))])
        #expect(state.apply([applied(slice("s", of: "b"))]).services == [key("a"), key("b")])
        #expect(state.slices(of: key("a")).isEmpty)
        #expect(state.slices(of: key("b")).map(\.key) == [key("s")])
        #expect(state.apply([applied(slice("s", of: nil))]).services == [key("b")])
        #expect(state.sliceCount == 0)
        #expect(state.apply([deleted(.endpointSlice, "s")]).isEmpty)
    }

    @Test("Slices wait for a Service that comes later, and outlive one that goes")
    func slicesWithoutService() {
        var state = ClusterState()
        #expect(state.apply([applied(slice("s", of: "web"))]).isEmpty)
        #expect(state.serviceKeys.isEmpty)
        #expect(state.apply([service("web")]).services == [key("web")])
        #expect(state.slices(of: key("web")).map(\.key) == [key("s")])
        _ = state.apply([deleted(.service, "web")])
        #expect(state.slices(of: key("web")).map(\.key) == [key("s")])
    }

    @Test("Slices of equally named Services of two namespaces are kept apart")
    func namespaces() {
        var state = ClusterState()
        let other = EndpointSlice(key: ObjectKey(namespace: "other", name: "s"), serviceName: "web")
        _ = state.apply([service("web"), applied(slice("s", of: "web"))])
        #expect(state.apply([applied(other)]).isEmpty)
        #expect(state.slices(of: key("web")).map(\.key) == [key("s")])
    }

    @Test("Nodes and ServiceCIDRs raise their own flags")
    func nodesAndRanges() {
        var state = ClusterState()
        var node = Node(name: "here")
        #expect(state.apply([.applied(.node(node))]).nodes == ["here"])
        #expect(state.apply([.applied(.node(node))]).isEmpty)
        node.zone = "east"
        let changed = state.apply([.applied(.node(node))])
        #expect(changed.nodeChanged)
        #expect(!changed.serviceCIDRsChanged)
        #expect(changed.services.isEmpty)
        #expect(state.node("here") == node)
        let range = ServiceCIDR(name: "kubernetes", cidrs: [])
        let ranges = state.apply([.applied(.serviceCIDR(range))])
        #expect(ranges.serviceCIDRsChanged)
        #expect(!ranges.nodeChanged)
        #expect(state.serviceCIDRs == [range])
        #expect(state.apply([deleted(.node, "here"), deleted(.serviceCIDR, "kubernetes")]).nodes == ["here"])
        #expect(state.nodes.isEmpty)
        #expect(state.serviceCIDRs.isEmpty)
        #expect(state.apply([deleted(.node, "here"), deleted(.serviceCIDR, "kubernetes")]).isEmpty)
    }

    @Test("A complete list removes what it does not name, of its kind only", arguments: ObjectID.Kind.allCases)
    func retained(kind: ObjectID.Kind) {
        var state = ClusterState()
        _ = state.apply([
            service("a"), service("b"), applied(slice("a", of: "a")), applied(slice("b", of: "b")),
            applied(slice("of none", of: "later")), .applied(.node(Node(name: "a"))), .applied(.node(Node(name: "b"))),
            .applied(.serviceCIDR(ServiceCIDR(name: "a", cidrs: []))),
            .applied(.serviceCIDR(ServiceCIDR(name: "b", cidrs: []))),
        ])
        func names(_ kind: ObjectID.Kind) -> [String] {
            switch kind {
            case .service: state.serviceKeys.map(\.name)
            case .endpointSlice: ["a", "b", "later"].flatMap { state.slices(of: key($0)).map(\.key.name) }
            case .node: state.nodes.map(\.name)
            case .serviceCIDR: state.serviceCIDRs.map(\.name)
            }
        }
        let isClusterScoped = kind == .node || kind == .serviceCIDR
        let keys = ["a", "unknown"].map { isClusterScoped ? ObjectKey(name: $0) : key($0) }
        let affected = state.apply([.retained(kind, Set(keys))])
        for other in ObjectID.Kind.allCases where other != kind {
            #expect(names(other) == (other == .endpointSlice ? ["a", "b", "of none"] : ["a", "b"]))
        }
        #expect(names(kind) == ["a"])
        #expect(affected.services == (isClusterScoped ? [] : [key("b")]))
        #expect(affected.nodes == (kind == .node ? ["b"] : []))
        #expect(affected.serviceCIDRsChanged == (kind == .serviceCIDR))
        #expect(state.apply([.retained(kind, Set(keys))]).isEmpty)
    }

    @Test("A complete list comes after the changes before it and before those after it")
    func retainedInOrder() {
        var state = ClusterState()
        _ = state.apply([service("a"), service("b")])
        let affected = state.apply([service("c"), .retained(.service, [key("a"), key("c")]), service("d")])
        #expect(state.serviceKeys == [key("a"), key("c"), key("d")])
        #expect(affected.services == [key("b"), key("c"), key("d")])
        _ = state.apply([.retained(.service, [])])
        #expect(state.serviceCount == 0)
    }

    @Test("Long node names are the same after they have been shared")
    func longNames() {
        var state = ClusterState()
        let name = "ip-10-0-0-1.eu-west-1.compute.internal"
        var slice = slice("s", of: "web")
        slice.endpoints = [
            Endpoint(address: .v4(IPv4Address(rawValue: 1)), nodeName: name),
            Endpoint(address: .v4(IPv4Address(rawValue: 2)), nodeName: "short"),
            Endpoint(address: .v4(IPv4Address(rawValue: 3))),
        ]
        _ = state.apply([service("web"), applied(slice)])
        #expect(state.slices(of: key("web")) == [slice])
        #expect(state.apply([applied(slice)]).isEmpty)
    }

    @Test("Any history leads to the state that its outcome describes, and reports every change", arguments: 1...30)
    func history(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var state = ClusterState()
        var services: [ObjectKey: Service] = [:]
        var slices: [ObjectKey: EndpointSlice] = [:]
        func expected(_ owner: ObjectKey) -> [EndpointSlice] {
            slices.values.filter { $0.serviceKey == owner }.sorted { $0.key < $1.key }
        }
        let names = (0..<5).map { "service-\($0)" }
        for _ in 0..<200 {
            let before = names.map { (services[key($0)], expected(key($0))) }
            let name = names[Int.random(in: 0..<5, using: &random)]
            let sliceName = "slice-\(Int.random(in: 0..<8, using: &random))"
            let change: ClusterChange
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                var object = Service(key: key(name))
                object.healthCheckNodePort = UInt16.random(in: 0...1, using: &random)
                if Bool.random(using: &random) { object.sessionAffinity = .clientIP(timeoutSeconds: 60) }
                services[object.key] = object
                change = .applied(.service(object))
            case 1:
                services[key(name)] = nil
                change = deleted(.service, name)
            case 2:
                var object = slice(sliceName, of: Int.random(in: 0..<6, using: &random) == 0 ? nil : name)
                object.isHeadless = Bool.random(using: &random)
                slices[object.key] = object
                change = applied(object)
            default:
                slices[key(sliceName)] = nil
                change = deleted(.endpointSlice, sliceName)
            }
            let affected = state.apply([change])
            for (name, old) in zip(names, before) {
                let isChanged =
                    old.0 != services[key(name)] || (services[key(name)] != nil && old.1 != expected(key(name)))
                #expect(affected.services.contains(key(name)) == isChanged)
                #expect(state.service(key(name)) == services[key(name)])
                #expect(state.slices(of: key(name)) == expected(key(name)))
            }
            #expect(state.serviceKeys == services.keys.sorted())
            #expect(state.serviceCount == services.count)
            #expect(state.sliceCount == slices.values.filter { $0.serviceName != nil }.count)
        }
        var visited: [ObjectKey] = []
        state.forEachService { service, _ in visited.append(service.key) }
        #expect(visited.sorted() == services.keys.sorted())
        let byAge = services.values.sorted { ($0.creationTimestamp, $0.key) < ($1.creationTimestamp, $1.key) }.map(
            \.key)
        #expect(state.byAge.count == services.count)
        #expect(state.keys(in: state.byAge) == byAge)
        var walked: [[EndpointSlice]] = []
        state.forEachSlices(in: state.byAge) { walked.append($0) }
        #expect(walked == byAge.map { state.slices(of: $0) })
        let served = byAge.filter { services[$0]?.serviceProxyName == nil }
        var fronts: [[IPAddress]] = []
        state.forEachFront(in: state.byAge) { front, _ in fronts.append(front.clusterIPs) }
        #expect(fronts == served.map { services[$0]?.clusterIPs ?? [] })
        var affine: [ObjectKey] = []
        state.forEachServiceWithAffinity { affine.append($0.key) }
        #expect(affine.sorted() == services.filter { $0.value.sessionAffinity != .none }.keys.sorted())
    }
}
