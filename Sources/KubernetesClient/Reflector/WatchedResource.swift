import KubernetesModel

/// A kind of objects as the API server is asked for it.
struct WatchedResource: Sendable, Equatable {
    var kind: ObjectID.Kind
    /// The paths of the versions of the API that have the kind, the one to try first at the beginning.
    var paths: [String]
    var labelSelector: String?
    var fieldSelector: String?
    /// Whether a server may lack the kind, or keep it from this user, and all is well.
    var isOptional = false

    /// The plural of the kind, for logs.
    var name: String { paths[0].split(separator: "/").last.map(String.init) ?? kind.rawValue }

    /// What kube-proxy's informers ask for: nothing headless, and nothing that another proxy serves.
    static let servedByThisProxy = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name"

    /// What the pools of one Service are made from: the Service, its slices, and all Nodes.
    static func around(_ service: ObjectKey) -> [WatchedResource] {
        let place = "metadata.namespace=\(service.namespace)"
        return [
            WatchedResource(
                kind: .service, paths: ["/api/v1/services"], labelSelector: servedByThisProxy,
                fieldSelector: "metadata.name=\(service.name),\(place)"),
            WatchedResource(
                kind: .endpointSlice, paths: ["/apis/discovery.k8s.io/v1/endpointslices"],
                labelSelector: "\(servedByThisProxy),kubernetes.io/service-name=\(service.name)", fieldSelector: place),
            WatchedResource(kind: .node, paths: ["/api/v1/nodes"]),
        ]
    }

    /// All that the dataplane of a node is made from; without a name, with all Nodes.
    static func all(nodeName: String?) -> [WatchedResource] {
        [
            WatchedResource(kind: .service, paths: ["/api/v1/services"], labelSelector: servedByThisProxy),
            WatchedResource(
                kind: .endpointSlice, paths: ["/apis/discovery.k8s.io/v1/endpointslices"],
                labelSelector: servedByThisProxy),
            WatchedResource(
                kind: .node, paths: ["/api/v1/nodes"], fieldSelector: nodeName.map { "metadata.name=\($0)" }),
            WatchedResource(
                kind: .serviceCIDR,
                paths: ["/apis/networking.k8s.io/v1/servicecidrs", "/apis/networking.k8s.io/v1beta1/servicecidrs"],
                isOptional: true),
        ]
    }
}

/// When a reflector does what. Durations are of clocks that nobody sets.
public struct ReflectorTiming: Sendable, Equatable {
    /// The wait after a failure; each further one doubles it. client-go's numbers, as the next two.
    public var firstDelay: Duration = .milliseconds(800)
    /// The wait never is longer, but for jitter, which at most doubles it.
    public var longestDelay: Duration = .seconds(30)
    /// After so long without a failure the next one counts as the first.
    public var healthyAfter: Duration = .seconds(120)
    /// After how many seconds the server is asked to end a watch (`timeoutSeconds`); each time another number, so that
    /// not all nodes come back at once.
    public var watchSeconds: ClosedRange<Int> = 300...600
    /// A watch that the server has not ended so long after its time is cut.
    public var watchSlack: Duration = .seconds(30)
    /// A server that has sent a bookmark sends more, about one a minute. A watch that is silent for longer is cut.
    public var bookmarkSilence: Duration = .seconds(240)
    /// How long a list, or the first events of a watch, may say nothing.
    public var listSilence: Duration = .seconds(60)
    /// A watch that ends sooner than this without an event is a failure.
    public var shortestWatch: Duration = .seconds(1)
    /// When an optional kind that the server does not have is asked for again.
    public var absentRetry: Duration = .seconds(600)
    /// The longest `Retry-After` that is believed.
    public var longestRetryAfter: Duration = .seconds(300)
    /// How many objects a page of a list has.
    public var pageSize = 500
    /// Whether lists are asked for as streams (`sendInitialEvents`) of servers that can do it.
    public var streamsLists = true

    /// Makes the timing of the daemon.
    public init() {}
}
