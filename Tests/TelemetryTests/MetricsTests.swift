import FairleadTestKit
import KubernetesModel
import NetworkTypes
import ServicePolicy
import Telemetry
import Testing

@Suite struct MetricsTests {
    static var busy: ProxyMetrics {
        var metrics = ProxyMetrics(version: "1.2.3")
        metrics.queued(
            [.applied(.service(Service(key: ObjectKey(namespace: "a", name: "b")))), .applied(.node(Node(name: "n")))],
            at: moment(1))
        metrics.queued([.deleted(ObjectID(kind: .endpointSlice, key: ObjectKey(name: "s")))], at: moment(2))
        metrics.succeeded(.full, restarts: 1, duration: .milliseconds(3), at: moment(3))
        metrics.succeeded(.partial, restarts: 0, duration: .seconds(100), at: moment(4))
        metrics.failed()
        metrics.localGaps = [LocalGap(family: .ipv6, isExternal: true): 3]
        metrics.findings = [.init(Finding(.warning, code: "x", subject: nil, message: "")): 2]
        metrics.healthzAnswers = [200: 5, 503: 1]
        metrics.cleanedFlows(deleted: [.ipv6: 3], duration: .milliseconds(5))
        metrics.cleanedFlows(deleted: [.ipv6: 1], duration: .milliseconds(1))
        metrics.kernel.observed([.ipv4: ["services": 4]])
        metrics.kernel.committed(size: 5, duration: .milliseconds(1))
        metrics.kernel.add(3, to: "services", .ipv4)
        metrics.kernel.add(-1, to: "services", .ipv4)
        return metrics
    }

    @Test("every metric of the daemon is valid and has its value")
    func values() throws {
        let page = try PrometheusPage(PrometheusText.render(Self.busy.metrics))
        let expected: [(String, Double)] = [
            (#"kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"}"#, 2),
            (#"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv6",le="0.004"}"#, 1),
            (#"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv6",le="+Inf"}"#, 2),
            (#"kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv6"}"#, 1),
            (#"kubeproxy_sync_partial_proxy_rules_duration_seconds_sum{ip_family="IPv6"}"#, 100),
            (#"kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}"#, 1_795_251_904),
            (#"kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"}"#, 1_795_251_902),
            (#"kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv4"}"#, 1),
            ("kubeproxy_sync_proxy_rules_service_changes_total", 1),
            ("kubeproxy_sync_proxy_rules_endpoint_changes_pending", 1),
            (
                #"kubeproxy_sync_proxy_rules_no_local_endpoints_total"#
                    + #"{traffic_policy="external",ip_family="IPv6"}"#, 3
            ),
            (#"kubeproxy_proxy_healthz_total{code="503"}"#, 1),
            (#"kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv6"}"#, 4),
            (#"kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"}"#, 0),
            (#"kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"}"#, 2),
            (#"fairlead_build_info{version="1.2.3"}"#, 1),
            (#"fairlead_findings{code="x",severity="warning"}"#, 2), ("fairlead_sync_restarts_total", 1),
            (#"fairlead_set_elements{ip_family="IPv4",set="services"}"#, 6), ("fairlead_transactions_total", 1),
            (#"fairlead_transaction_elements_bucket{le="16"}"#, 1), ("fairlead_full_syncs_total", 1),
        ]
        for (series, value) in expected { #expect(page.values[series] == value, "\(series)") }
    }

    @Test("a change's time from its trigger counts in its family, in kube-proxy's buckets")
    func programming() throws {
        var metrics = ProxyMetrics(version: "1")
        let now = moment(100)
        func trigger(_ family: IPFamily, _ seconds: Double) -> EndpointTrigger {
            EndpointTrigger(family: family, time: now.microseconds * 1000 - Int64(seconds * 1e9))
        }
        metrics.programmed([trigger(.ipv4, 0.25), trigger(.ipv4, 59.5), trigger(.ipv6, 1000)], at: now)
        // The control plane's clock is ahead.
        metrics.programmed([trigger(.ipv4, -3)], at: now)
        let page = try PrometheusPage(PrometheusText.render(metrics.metrics))
        func value(_ part: String, _ family: String, _ bound: String? = nil) -> Double? {
            let bound = bound.map { #",le="\#($0)""# } ?? ""
            let name = "kubeproxy_network_programming_duration_seconds_\(part)"
            return page.values["\(name){ip_family=\"\(family)\"\(bound)}"]
        }
        #expect(value("count", "IPv4") == 3 && value("sum", "IPv4") == 59.75)
        #expect(value("bucket", "IPv4", "0") == 1)
        #expect(value("bucket", "IPv4", "0.25") == 2)
        #expect(value("bucket", "IPv4", "59") == 2)
        #expect(value("bucket", "IPv4", "60") == 3)
        #expect(value("bucket", "IPv6", "300") == 0 && value("bucket", "IPv6", "+Inf") == 1)
        let bounds = page.values.keys.filter {
            $0.hasPrefix("kubeproxy_network_programming_duration_seconds_bucket{ip_family=\"IPv4\"")
        }
        #expect(bounds.count == 1 + 2 + 59 + 12 + 7 + 1)
    }

    @Test("nothing waits after a success")
    func pending() throws {
        var metrics = Self.busy
        metrics.settled()
        let page = try PrometheusPage(PrometheusText.render(metrics.metrics))
        #expect(page.values["kubeproxy_sync_proxy_rules_service_changes_pending"] == 0)
        #expect(page.values["kubeproxy_sync_proxy_rules_service_changes_total"] == 1)
    }

    @Test("label values cannot forge lines")
    func escaping() throws {
        let counter = ServiceCounter(
            .dropped, service: ObjectKey(namespace: "a\"} 1\nevil 2", name: "back\\slash"), port: "http",
            frontend: "[fd00::1]:80/tcp", packets: 7)
        let text = PrometheusText.render(ServiceCounter.metrics([counter]))
        #expect(
            text.hasSuffix(
                #"fairlead_service_refused_packets_total{namespace="a\"} 1\nevil 2",service="back\\slash","#
                    + #"port="http",frontend="[fd00::1]:80/tcp",verdict="dropped"} 7"# + "\n"))
        #expect(try PrometheusPage(text).values.count == 1)
    }

    @Test("connections and refusals of a frontend are told apart")
    func counters() throws {
        let key = ObjectKey(namespace: "default", name: "web")
        let counters: [ServiceCounter] = [.connection, .rejected, .dropped].map {
            ServiceCounter($0, service: key, port: "", frontend: "10.96.0.1:80/tcp", packets: 1 << 40)
        }
        let page = try PrometheusPage(PrometheusText.render(ServiceCounter.metrics(counters)))
        let labels = #"{namespace="default",service="web",port="",frontend="10.96.0.1:80/tcp""#
        #expect(page.values["fairlead_service_connections_total\(labels)}"] == Double(1 << 40))
        #expect(page.values[#"fairlead_service_refused_packets_total\#(labels),verdict="rejected"}"#] != nil)
        #expect(page.values[#"fairlead_service_refused_packets_total\#(labels),verdict="dropped"}"#] != nil)
    }

    @Test("a histogram counts a bound in the bucket below it, and all in the last")
    func histogram() throws {
        var histogram = Histogram(bounds: [1, 2])
        for value in [0.5, 1, 1.5, 2, 99] { histogram.observe(value) }
        var metric = Metric("h", .histogram, "h")
        metric.add(histogram)
        let page = try PrometheusPage(PrometheusText.render([metric]))
        #expect(page.values[#"h_bucket{le="1"}"#] == 2)
        #expect(page.values[#"h_bucket{le="2"}"#] == 4)
        #expect(page.values[#"h_bucket{le="+Inf"}"#] == 5)
        #expect(page.values["h_sum"] == 104)
        #expect(histogram.adding(histogram).count == 10)
    }

    @Test(
        "what the format forbids is found",
        arguments: [
            "a 1\n", "# TYPE a counter\na 1\n", "# HELP a x\n# TYPE a counter\na 1",
            "# HELP a x\n# TYPE a counter\na 1\n# HELP a x\n# TYPE a counter\na{l=\"v\"} 1\n",
            "# HELP a x\n# TYPE a counter\na 1\na 1\n", "# HELP a x\n# TYPE a counter\na{l=\"v} 1\n",
            "# HELP a x\n# TYPE a counter\na{l=\"v\",l=\"w\"} 1\n", "# HELP a x\n# TYPE a counter\na -1\n",
            "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
            "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_sum 1\na_count 2\n",
            "# HELP a x\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_sum 1\na_count 3\n",
        ])
    func strictness(_ text: String) {
        #expect(throws: PrometheusPage.Fault.self) { try PrometheusPage(text) }
    }
}
