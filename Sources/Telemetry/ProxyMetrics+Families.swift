import KubernetesModel
import NetworkTypes
import ServicePolicy

extension ProxyMetrics {
    /// All metrics, in a fixed order.
    public var metrics: [Metric] {
        syncMetrics + changeMetrics + flowMetrics + healthMetrics + ownMetrics + kernelMetrics
            + (conntrack?.metrics ?? [])
    }

    private static let families = ["IPv4", "IPv6"]

    /// Both families' tables change in the same transactions, so each of kube-proxy's two proxies has the same to tell.
    private static func both(
        _ name: String, _ kind: Metric.Kind, _ help: String, _ value: Metric.Value?
    ) -> Metric {
        var metric = Metric("kubeproxy_\(name)", kind, help)
        if let value {
            metric.samples = families.map { Metric.Sample(labels: [Metric.Label("ip_family", $0)], value: value) }
        }
        return metric
    }

    private var syncMetrics: [Metric] {
        let full = seconds[.full] ?? Histogram(bounds: [])
        let partial = seconds[.partial] ?? Histogram(bounds: [])
        return [
            Self.both(
                "sync_proxy_rules_duration_seconds", .histogram, "Time of one synchronization.",
                .histogram(full.adding(partial))),
            Self.both(
                "sync_full_proxy_rules_duration_seconds", .histogram,
                "Time of one synchronization that compared all of the tables.", .histogram(full)),
            Self.both(
                "sync_partial_proxy_rules_duration_seconds", .histogram,
                "Time of one synchronization of what changed.", .histogram(partial)),
            Self.both(
                "sync_proxy_rules_last_timestamp_seconds", .gauge, "When the rules were last known to be right.",
                lastSync.map { .number($0.seconds) }),
            Self.both(
                "sync_proxy_rules_last_queued_timestamp_seconds", .gauge, "When the last change came.",
                lastQueued.map { .number($0.seconds) }),
            Self.both(
                "sync_proxy_rules_nftables_sync_failures_total", .counter, "Synchronizations that failed.",
                .number(Double(failures))),
        ]
    }

    private var programming: Metric {
        var metric = Metric(
            "kubeproxy_network_programming_duration_seconds", .histogram,
            "Time from what triggered a change of an EndpointSlice to its being in the rules.")
        for (family, label) in zip(IPFamily.allCases, Self.families) {
            if let histogram = programmingSeconds[family] { metric.add(histogram, Metric.Label("ip_family", label)) }
        }
        return metric
    }

    private var changeMetrics: [Metric] {
        var gaps = Metric(
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total", .gauge,
            "Ports of Services with a Local policy that have endpoints, but none on this node.")
        for (family, label) in zip(IPFamily.allCases, Self.families) {
            for (isExternal, policy) in [(false, "internal"), (true, "external")] {
                gaps.add(
                    Double(localGaps[LocalGap(family: family, isExternal: isExternal)] ?? 0),
                    Metric.Label("traffic_policy", policy), Metric.Label("ip_family", label))
            }
        }
        func changes(_ name: String, _ what: String, _ changes: Changes) -> [Metric] {
            [
                Metric(
                    "kubeproxy_sync_proxy_rules_\(name)_changes_total", .counter, "Changes of \(what).",
                    Double(changes.total)),
                Metric(
                    "kubeproxy_sync_proxy_rules_\(name)_changes_pending", .gauge,
                    "Changes of \(what) that are not in the rules yet.", Double(changes.pending)),
            ]
        }
        return changes("service", "Services", serviceChanges)
            + changes("endpoint", "EndpointSlices", endpointChanges) + [programming, gaps]
    }

    private var flowMetrics: [Metric] {
        var deleted = Metric(
            "kubeproxy_conntrack_reconciler_deleted_entries_total", .counter,
            "Conntrack entries deleted because they led elsewhere than their Service.")
        for (family, label) in zip(IPFamily.allCases, Self.families) {
            deleted.add(Double(deletedFlows[family] ?? 0), Metric.Label("ip_family", label))
        }
        var reset = Metric(
            "fairlead_reset_connections_total", .counter,
            "TCP connections given up because their endpoint was gone: reset at the client's next segment.")
        for (family, label) in zip(IPFamily.allCases, Self.families) {
            reset.add(Double(resetConnections[family] ?? 0), Metric.Label("ip_family", label))
        }
        var forgotten = Metric(
            "fairlead_affinity_forgotten_clients_total", .counter,
            "Clients with affinity that were forgotten because their endpoint had gone.")
        for (family, label) in zip(IPFamily.allCases, Self.families) {
            forgotten.add(Double(forgottenClients[family] ?? 0), Metric.Label("ip_family", label))
        }
        var failing = Metric(
            "fairlead_cleanup_failing", .gauge, "1 while a clean-up after commits has failed several times in a row.")
        for cleanup in Cleanup.allCases {
            failing.add(failingCleanups[cleanup] == true ? 1 : 0, Metric.Label("of", cleanup.rawValue))
        }
        return [
            Self.both(
                "conntrack_reconciler_sync_duration_seconds", .histogram, "Time of one look for such entries.",
                .histogram(flowSeconds)), deleted, reset, forgotten, failing,
        ]
    }

    /// What `/metrics/slis` tells (KEP-3466): the check `ping` of `/healthz` on the metrics address, once somebody has asked for it.
    public var indicators: [Metric] {
        guard pings > 0 else { return [] }
        let labels = [Metric.Label("name", "ping"), Metric.Label("type", "healthz")]
        var last = Metric("kubernetes_healthcheck", .gauge, "Whether a health check was passed when it was made last.")
        last.add(1, labels[0], labels[1])
        var all = Metric("kubernetes_healthchecks_total", .counter, "Health checks by their result.")
        all.add(Double(pings), labels[0], Metric.Label("status", "success"), labels[1])
        return [last, all]
    }

    private var healthMetrics: [Metric] {
        [("healthz", healthzAnswers), ("livez", livezAnswers)].map { name, answers in
            var metric = Metric("kubeproxy_proxy_\(name)_total", .counter, "Answers on /\(name) by status.")
            for (status, count) in answers.sorted(by: { $0.key < $1.key }) {
                metric.add(Double(count), Metric.Label("code", String(status)))
            }
            return metric
        }
    }

    private var ownMetrics: [Metric] {
        var build = Metric("fairlead_build_info", .gauge, "1, with the version of the program.")
        build.add(1, Metric.Label("version", version))
        var found = Metric("fairlead_findings", .gauge, "What is wrong with objects and the node now, by code.")
        for (kind, count) in findings.merging(nodeFindings, uniquingKeysWith: +).sorted(by: {
            ($0.key.code, $0.key.severity) < ($1.key.code, $1.key.severity)
        }) {
            found.add(Double(count), Metric.Label("code", kind.code), Metric.Label("severity", "\(kind.severity)"))
        }
        var ports = Metric("fairlead_listeners", .gauge, "Addresses and ports of HTTP servers.")
        ports.add(Double(openPorts), Metric.Label("state", "open"))
        ports.add(Double(failedPorts), Metric.Label("state", "failed"))
        var protection = Metric("fairlead_table_protected", .gauge, "1 if no other program can change the table.")
        for (family, label) in zip(IPFamily.allCases, Self.families) {
            guard let isProtected = protectedTables[family] else { continue }
            protection.add(isProtected ? 1 : 0, Metric.Label("ip_family", label))
        }
        return [
            build, Metric("fairlead_services", .gauge, "Services that are served.", Double(services)),
            Metric(
                "fairlead_held_services", .gauge,
                "Services left as they are because an object of theirs is invalid.",
                Double(heldServices)),
            Metric(
                "fairlead_refused_services", .gauge,
                "Services left as they are because the kernel refuses an element of theirs.",
                Double(refusedServices)),
            found, ports,
            Metric(
                "fairlead_node_missing", .gauge, "1 while there is no Node object of this node's name.",
                isNodeMissing ? 1 : 0),
            Metric(
                "fairlead_node_draining", .gauge, "1 while the node has a taint by which its operator drains it.",
                isNodeDraining ? 1 : 0),
            Metric(
                "fairlead_drift_repairs_total", .counter,
                "Repairs of tables that another program had changed.", Double(driftRepairs)),
            Metric(
                "fairlead_drift_contested", .gauge,
                "1 while another program keeps undoing the repairs, so that they wait.", isDriftContested ? 1 : 0),
            protection,
            Metric(
                "fairlead_sync_restarts_total", .counter,
                "Synchronizations that started over because another program committed meanwhile.", Double(restarts)),
        ]
    }

    private var kernelMetrics: [Metric] {
        var elements = Metric("fairlead_set_elements", .gauge, "Elements of a set or map.")
        for (family, label) in zip(IPFamily.allCases, Self.families) {
            for (set, count) in (kernel.elements[family] ?? [:]).sorted(by: { $0.key < $1.key }) {
                elements.add(Double(count), Metric.Label("ip_family", label), Metric.Label("set", set))
            }
        }
        var sizes = Metric(
            "fairlead_transaction_elements", .histogram, "Elements added and removed by one transaction.")
        sizes.add(kernel.elementsPerTransaction)
        var latency = Metric(
            "fairlead_transaction_duration_seconds", .histogram, "Time that the kernel took for one transaction.")
        latency.add(kernel.seconds)
        return [
            Metric(
                "fairlead_full_syncs_total", .counter, "How often the tables were read whole.",
                Double(kernel.observations)),
            Metric(
                "fairlead_transactions_total", .counter, "Transactions that the kernel carried out.",
                Double(kernel.transactions)),
            sizes, latency, elements,
        ]
    }
}
