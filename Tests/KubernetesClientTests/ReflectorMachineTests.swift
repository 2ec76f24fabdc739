import KubernetesModel
import KubernetesWire
import Testing

@testable import KubernetesClient

@Suite("ReflectorMachine")
struct ReflectorMachineTests {
    /// A machine with a clock, and randomness that is none.
    struct Bench {
        struct NoRandomness: RandomNumberGenerator { mutating func next() -> UInt64 { 0 } }

        static let services = WatchedResource(kind: .service, paths: ["/services"])
        static let ranges = WatchedResource(kind: .serviceCIDR, paths: ["/v1", "/v1beta1"], isOptional: true)

        var machine: ReflectorMachine
        var now: Duration = .seconds(1000)
        var random = NoRandomness()

        init(_ resource: WatchedResource = services, streams: Bool = false) {
            var timing = ReflectorTiming()
            timing.streamsLists = streams
            timing.watchSeconds = 300...300
            machine = ReflectorMachine(resource, timing)
        }

        mutating func next() -> ReflectorMachine.Step {
            let step = machine.next(at: now, using: &random)
            now += step.delay
            return step
        }

        /// What is asked for next, and that it is asked for at once.
        mutating func order(sourceLocation: SourceLocation = #_sourceLocation) -> ReflectorMachine.Order {
            let step = next()
            #expect(step.delay == .zero, sourceLocation: sourceLocation)
            return step.order
        }

        @discardableResult
        mutating func failed(_ error: APIError) -> ReflectorMachine.News? {
            machine.failed(error, at: now, using: &random)
        }

        mutating func failed(_ code: Int, _ message: String = "", retryAfter: Duration? = nil) {
            var error = APIError(status: APIStatus(code: code, message: message))
            error.retryAfter = retryAfter
            failed(error)
        }

        mutating func page(
            _ names: [String], version: String = "7", token: String = ""
        ) throws -> [ReflectorMachine.News] {
            var page = ObjectListPage()
            page.resourceVersion = version
            page.continueToken = token
            page.items = names.map { ReflectorMachineTests.object($0) }
            return try machine.received(page)
        }

        mutating func ended() -> APIError? { machine.ended(at: now, using: &random) }

        /// Brings the machine to where it watches.
        mutating func watch(version: String = "7", for duration: Duration = .seconds(60)) throws {
            _ = next()
            _ = try page(["a"], version: version)
            _ = next()
            now += duration
        }
    }

    typealias Order = ReflectorMachine.Order

    static func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "default", name: name) }

    static func object(_ name: String, version: String = "3") -> WireObject {
        WireObject(
            id: ObjectID(kind: .service, key: key(name)), resourceVersion: version,
            object: .service(Service(key: key(name))))
    }

    static func list(_ version: String, limit: Int? = 500, token: String = "", path: String = "/services") -> Order {
        .list(path: path, resourceVersion: version, limit: limit, continueToken: token)
    }

    static func watch(_ version: String) -> Order { .watch(path: "/services", resourceVersion: version, seconds: 300) }

    static func stream(_ version: String) -> Order {
        .stream(path: "/services", resourceVersion: version, seconds: 300)
    }

    @Test("Pages make a list, the list's version begins the watch")
    func pages() throws {
        var bench = Bench()
        #expect(bench.order() == Self.list("0"))
        #expect(try bench.page(["a", "b"], token: "more") == [.object(Self.object("a")), .object(Self.object("b"))])
        #expect(!bench.machine.isWatching)
        #expect(bench.order() == Self.list("", token: "more"))
        #expect(
            try bench.page(["c"]) == [
                .object(Self.object("c")), .complete([Self.key("a"), Self.key("b"), Self.key("c")]),
            ])
        #expect(bench.machine.isWatching)
        #expect(bench.order() == Self.watch("7"))
    }

    @Test("Items that were handed over before their page ended belong to the list")
    func portions() throws {
        var bench = Bench()
        _ = bench.next()
        #expect(bench.machine.received([Self.object("a")]) == [.object(Self.object("a"))])
        #expect(try bench.page(["b"]).last == .complete([Self.key("a"), Self.key("b")]))
    }

    @Test("A stream is complete with its bookmark, and goes on as the watch")
    func streams() throws {
        var bench = Bench(streams: true)
        #expect(bench.order() == Self.stream(""))
        for name in ["a", "b", "c"] {
            #expect(
                try bench.machine.received(.applied(Self.object(name, version: "100")))
                    == .object(
                        Self.object(name, version: "100")))
        }
        let gone = ObjectID(kind: .service, key: Self.key("b"))
        #expect(try bench.machine.received(.deleted(gone, resourceVersion: "101")) == .deleted(gone))
        #expect(try bench.machine.received(.bookmark(resourceVersion: "50", endsInitialEvents: false)) == nil)
        #expect(bench.machine.resourceVersion.isEmpty)
        #expect(
            try bench.machine.received(.bookmark(resourceVersion: "102", endsInitialEvents: true))
                == .complete([Self.key("a"), Self.key("c")]))
        _ = try bench.machine.received(.applied(Self.object("a", version: "110")))
        bench.now += .seconds(300)
        #expect(bench.ended() == nil)
        #expect(bench.order() == Self.watch("110"))
    }

    @Test("A watch goes on from the last event or bookmark")
    func resumes() throws {
        var bench = Bench()
        try bench.watch()
        _ = try bench.machine.received(.applied(Self.object("a", version: "8")))
        #expect(bench.ended() == nil)
        #expect(bench.order() == Self.watch("8"))
        _ = try bench.machine.received(.bookmark(resourceVersion: "9", endsInitialEvents: false))
        #expect(bench.machine.hasBookmarks)
        #expect(bench.ended() == nil)
        #expect(bench.order() == Self.watch("9"))
        let gone = ObjectID(kind: .service, key: Self.key("a"))
        _ = try bench.machine.received(.deleted(gone, resourceVersion: "10"))
        #expect(bench.ended() == nil)
        #expect(bench.order() == Self.watch("10"))
    }

    @Test("A watch that ends at once without an event is a failure")
    func shortWatch() throws {
        var bench = Bench()
        try bench.watch(for: .milliseconds(10))
        #expect(bench.ended() != nil)
        #expect(bench.next() == .init(delay: .milliseconds(800), order: Self.watch("7")))
        #expect(bench.ended() != nil)
        #expect(bench.next().delay == .milliseconds(1600))
    }

    @Test(
        "A watch that breaks goes on where it was",
        arguments: [APIError.Cause.connection, .silence, .nonsense, .trust, .credential])
    func brokenWatch(cause: APIError.Cause) throws {
        var bench = Bench()
        try bench.watch()
        bench.failed(APIError(cause, "broken"))
        // What has worked until now is tried again at once, anything else is not.
        #expect(
            bench.next() == .init(delay: cause == .connection ? .zero : .milliseconds(800), order: Self.watch("7")))
        bench.failed(APIError(.connection, "refused"))
        #expect(bench.next().delay == .milliseconds(cause == .connection ? 800 : 1600))
    }

    @Test("Waits double up to a limit, and begin again after a healthy time")
    func backoff() throws {
        var bench = Bench()
        var delays: [Duration] = []
        for _ in 0..<8 {
            delays.append(bench.next().delay)
            bench.failed(APIError(.connection, "refused"))
        }
        #expect(delays == [0, 800, 1600, 3200, 6400, 12800, 25600, 30000].map { .milliseconds($0) })
        _ = bench.next()
        _ = try bench.page(["a"])
        bench.now += .seconds(121)
        _ = bench.next()
        bench.failed(503)
        #expect(bench.next().delay == .milliseconds(800))
    }

    @Test("Jitter at most doubles a wait")
    func jitter() {
        var backoff = Backoff(ReflectorTiming())
        #expect(backoff.delay(at: .zero, isFree: false, jitter: 0.5) == .milliseconds(1200))
        #expect(backoff.delay(at: .zero, isFree: false, jitter: 0.999) < .milliseconds(3200))
    }

    @Test("Retry-After is heeded, within reason", arguments: [(2, 2), (100_000, 300)])
    func retryAfter(asked: Int, waited: Int) {
        for code in [429, 503] {
            var bench = Bench()
            _ = bench.next()
            bench.failed(code, retryAfter: .seconds(asked))
            #expect(bench.next() == .init(delay: .seconds(waited), order: Self.list("0")))
        }
    }

    @Test("A watch whose history is gone becomes a list that is not older than what is known")
    func expired() throws {
        var bench = Bench()
        try bench.watch(version: "70")
        #expect(throws: APIError.self) {
            _ = try bench.machine.received(.failed(APIStatus(code: 410, reason: "Expired")))
        }
        bench.failed(410)
        #expect(bench.order() == Self.list("70", limit: nil))
        #expect(try bench.page(["a"], version: "90").last == .complete([Self.key("a")]))
        #expect(bench.order() == Self.watch("90"))
    }

    @Test(
        "If the server does not know the version, the newest list is asked for",
        arguments: [(410, ""), (504, "Too large resource version: 70, current: 3")])
    func unknownVersion(code: Int, message: String) throws {
        var bench = Bench()
        try bench.watch(version: "70")
        bench.failed(410)
        _ = bench.next()
        bench.failed(code, message)
        #expect(bench.next().order == Self.list(""))
        _ = try bench.page(["a"], version: "3")
        #expect(bench.next().order == Self.watch("3"))
    }

    @Test("A list whose rest has expired begins again, without pages, and forgets what it had")
    func expiredPage() throws {
        var bench = Bench()
        _ = bench.next()
        _ = try bench.page(["a"], token: "more")
        _ = bench.next()
        bench.failed(410)
        #expect(bench.order() == Self.list("0", limit: nil))
        #expect(try bench.page(["b"]).last == .complete([Self.key("b")]))
        // Later lists have pages again.
        bench.now += .seconds(60)
        #expect(bench.order() == Self.watch("7"))
    }

    @Test("A page that did not arrive is asked for once more, then the list begins again")
    func lostPage() throws {
        var bench = Bench()
        _ = bench.next()
        _ = try bench.page(["a"], token: "more")
        _ = bench.next()
        bench.failed(APIError(.connection, "broken"))
        #expect(bench.next().order == Self.list("", token: "more"))
        bench.failed(APIError(.connection, "broken"))
        #expect(bench.next().order == Self.list("0"))
    }

    @Test(
        "A server that cannot stream lists is asked for a plain one at once, and not again for a stream",
        arguments: [400, 405, 406, 415, 422, 500])
    func noStreams(code: Int) throws {
        var bench = Bench(streams: true)
        _ = bench.next()
        bench.failed(code)
        #expect(bench.order() == Self.list("0"))
        _ = try bench.page(["a"])
        _ = bench.next()
        bench.now += .seconds(60)
        bench.failed(410)
        #expect(bench.order() == Self.list("7", limit: nil))
    }

    @Test("A stream that was refused for another reason is tried again", arguments: [401, 403, 429, 503])
    func refusedStream(code: Int) {
        var bench = Bench(streams: true)
        _ = bench.next()
        bench.failed(code)
        #expect(bench.next().order == Self.stream(""))
    }

    @Test("Streams that break are given up for a list in pages")
    func brokenStreams() throws {
        var bench = Bench(streams: true)
        #expect(bench.order() == Self.stream(""))
        _ = try bench.machine.received(.applied(Self.object("a")))
        #expect(bench.ended() != nil)
        #expect(bench.next().order == Self.stream(""))
        bench.failed(APIError(.connection, "broken"))
        #expect(bench.next().order == Self.list("0"))
        #expect(try bench.page(["b"]).last == .complete([Self.key("b")]))
        bench.now += .seconds(60)
        _ = bench.next()
        bench.failed(410)
        #expect(bench.next().order == Self.stream("7"))
    }

    @Test("Nonsense, or errors of the server, again and again lead to a list", arguments: [nil, 500, 503])
    func fruitlessWatches(code: Int?) throws {
        var bench = Bench()
        try bench.watch()
        for index in 0..<3 {
            if let code { bench.failed(code) } else { bench.failed(APIError(.nonsense, "garbage")) }
            #expect(bench.next().order == (index < 2 ? Self.watch("7") : Self.list("7", limit: nil)))
        }
    }

    @Test("An API that cannot be reached never leads to a list")
    func unreachable() throws {
        var bench = Bench()
        try bench.watch()
        for _ in 0..<20 {
            bench.failed(APIError(.connection, "refused"))
            #expect(bench.next().order == Self.watch("7"))
        }
    }

    @Test("A watch that is refused as such leads to a list", arguments: [400, 404, 410])
    func refusedWatch(code: Int) throws {
        var bench = Bench()
        try bench.watch()
        bench.failed(code)
        #expect(bench.next().order == Self.list("7", limit: nil))
    }

    @Test("An optional kind is looked for in its older version, then taken as none, told once, and asked for rarely")
    func absent() throws {
        var bench = Bench(Bench.ranges)
        #expect(bench.order() == Self.list("0", path: "/v1"))
        let missing = APIError(status: APIStatus(code: 404))
        #expect(bench.failed(missing) == nil)
        #expect(bench.order() == Self.list("0", path: "/v1beta1"))
        #expect(bench.failed(missing) == .absent)
        #expect(bench.machine.isAbsent)
        #expect(bench.next() == .init(delay: .seconds(450), order: Self.list("0", path: "/v1")))
        #expect(bench.failed(APIError(status: APIStatus(code: 403))) == nil)
        #expect(bench.next().delay == .seconds(450))
        #expect(try bench.page([]).last == .complete([]))
        #expect(bench.next().order == .watch(path: "/v1", resourceVersion: "7", seconds: 300))
    }

    @Test("A kind that the dataplane needs is never taken as none", arguments: [403, 404])
    func missing(code: Int) {
        var bench = Bench()
        _ = bench.next()
        #expect(bench.failed(APIError(status: APIStatus(code: code))) == nil)
        #expect(bench.next() == .init(delay: .milliseconds(800), order: Self.list("0")))
    }

    @Test("A list without a version is nonsense")
    func withoutVersion() throws {
        var bench = Bench()
        _ = bench.next()
        #expect(throws: APIError.self) { _ = try bench.page(["a"], version: "") }
        #expect(!bench.machine.isWatching)
    }

    @Test("Orders are spelled as the API wants them")
    func requests() {
        let resources = WatchedResource.all(nodeName: "node1")
        let selector =
            "labelSelector=%21service.kubernetes.io%2Fheadless%2C%21service.kubernetes.io%2Fservice-proxy-name"
        #expect(
            Self.list("0").request(for: resources[0]).target == "/services?limit=500&resourceVersion=0&\(selector)")
        #expect(
            Self.list("", token: "a+b=").request(for: Bench.services).target
                == "/services?limit=500&continue=a%2Bb%3D")
        #expect(
            Self.watch("7").request(for: resources[2]).target
                == "/services?watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=7"
                + "&fieldSelector=metadata.name%3Dnode1")
        #expect(
            Self.stream("").request(for: resources[1]).target
                == "/services?watch=true&allowWatchBookmarks=true&timeoutSeconds=300&sendInitialEvents=true"
                + "&resourceVersionMatch=NotOlderThan&\(selector)")
    }
}
