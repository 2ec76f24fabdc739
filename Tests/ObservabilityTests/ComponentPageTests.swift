import Observability
import Telemetry
import Testing

/// `/configz`, `/flagz`, `/statusz` and `/metrics/slis` on the metrics address.
@Suite struct ComponentPageTests {
    private static let start = 1_790_000_000.0
    private static let now = Moment(microseconds: 1_790_003_785_500_000, uptime: .zero)

    private static var pages: ComponentPages {
        var pages = ComponentPages()
        pages.version = "1.2.3"
        pages.configuration = "{\"mode\":\"nftables\"}"
        pages.flags = ["v": "2", "hostname-override": "a\nforged=1\""]
        return pages
    }

    private static func answer(_ path: String, _ accept: String? = nil) -> HTTPAnswer? {
        pages.answer(path, accept: accept, start: start, at: now)
    }

    private static func accept(_ kind: String, _ version: String = "v1beta1") -> String {
        "application/json;v=\(version);g=config.k8s.io;as=\(kind)"
    }

    @Test("text for people, each flag on one line")
    func texts() {
        let warning = "Warning: this page is for people; its form may change with any version.\n\n"
        #expect(
            Self.answer("/statusz")?.body == "\nfairlead statusz\n" + warning
                + "Started: 2026-09-21T14:13:20Z\nUp: 1 hr 03 min 05 sec\nBinary version: 1.2.3\n"
                + "Paths: /configz /flagz /healthz /metrics /metrics/slis /proxyMode /statusz\n")
        let flags = Self.answer("/flagz")
        #expect(flags?.body.hasPrefix("\nfairlead flags\n" + warning + "hostname-override=a") == true)
        #expect(flags?.body.hasSuffix("\nv=2\n") == true)
        #expect(flags?.body.contains("\nforged") == false)
        #expect(flags?.headers.first?.value == "text/plain; charset=utf-8")
    }

    @Test("objects of the API group for those that ask for them", arguments: ["v1alpha1", "v1beta1"])
    func objects(_ version: String) {
        #expect(
            Self.answer("/statusz", Self.accept("Statusz", version))?.body
                == "{\"kind\":\"Statusz\",\"apiVersion\":\"config.k8s.io/\(version)\",\"metadata\":{\"name\":\"fairlead\"},"
                + "\"startTime\":\"2026-09-21T14:13:20Z\",\"uptimeSeconds\":3785,\"binaryVersion\":\"1.2.3\",\"paths\":["
                + "\"/configz\",\"/flagz\",\"/healthz\",\"/metrics\",\"/metrics/slis\",\"/proxyMode\",\"/statusz\"]}")
        let flags = Self.answer("/flagz", Self.accept("Flagz", version))
        #expect(
            flags?.body
                == "{\"kind\":\"Flagz\",\"apiVersion\":\"config.k8s.io/\(version)\",\"metadata\":{\"name\":\"fairlead\"},"
                + "\"flags\":{\"hostname-override\":\"a\\nforged=1\\\"\",\"v\":\"2\"}}")
        #expect(flags?.headers.first?.value == "application/json")
    }

    @Test(
        "the header Accept",
        arguments: [
            (nil, 200, "text/plain"), ("*/*", 200, "text/plain"), ("text/html, */*;q=0.8", 200, "text/plain"),
            ("text/plain", 200, "text/plain"), ("application/json", 406, ""), ("application/yaml", 406, ""),
            (accept("Statusz", "v2"), 406, ""), (accept("Flagz"), 406, ""),
            ("application/json, " + accept("Statusz"), 200, "application/json"),
        ])
    func accepts(_ header: String?, _ status: Int, _ type: String) {
        let answer = Self.answer("/statusz", header)
        #expect(answer?.status == status)
        if status == 200 { #expect(answer?.headers.first?.value.hasPrefix(type) == true) }
    }

    @Test("the board serves them, where the gates let it")
    func gates() async {
        let board = StatusBoard(version: "1")
        func status(_ path: String, _ method: String = "GET") async -> Int {
            await board.answerMetrics(HTTPRequest(method: method, path: path)) {
                CounterReading(time: .now, cost: .zero, counters: [])
            }.status
        }
        let paths = ["/configz", "/flagz", "/statusz"]
        for path in paths {
            #expect(await status(path) == 200)
            #expect(await status(path, "POST") == 405)
        }
        board.update {
            $0.pages.tellsFlags = false
            $0.pages.tellsStatus = false
        }
        #expect(await status("/configz") == 200)
        #expect(await status("/flagz") == 404)
        #expect(await status("/statusz") == 404)
    }

    @Test("the configuration stands under the API group's name")
    func configuration() {
        #expect(Self.answer("/configz")?.body == "{\"kubeproxy.config.k8s.io\":{\"mode\":\"nftables\"}}")
    }

    @Test("/metrics/slis counts the checks of /healthz on the metrics address")
    func indicators() async {
        let board = StatusBoard(version: "1")
        func get(_ path: String) async -> String {
            await board.answerMetrics(HTTPRequest(method: "GET", path: path)) {
                CounterReading(time: .now, cost: .zero, counters: [])
            }.body
        }
        #expect(await get("/metrics/slis") == "")
        for _ in 0..<3 { _ = await get("/healthz") }
        let lines = await get("/metrics/slis").split(separator: "\n").filter { !$0.hasPrefix("# HELP") }
        #expect(
            lines == [
                "# TYPE kubernetes_healthcheck gauge", #"kubernetes_healthcheck{name="ping",type="healthz"} 1"#,
                "# TYPE kubernetes_healthchecks_total counter",
                #"kubernetes_healthchecks_total{name="ping",status="success",type="healthz"} 3"#,
            ])
    }
}
