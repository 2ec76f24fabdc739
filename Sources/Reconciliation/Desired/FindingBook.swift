import KubernetesModel
import ServicePolicy
import Telemetry

/// What is wrong with the node and with Services, and how much of it has been reported.
///
/// Reporting costs what has changed since the last report, not what there is.
public struct FindingBook: Sendable {
    /// The findings about the node itself.
    var node: [Finding] = []
    private var services: [ObjectKey: [Finding]] = [:]
    /// The Services whose findings may have changed since the last report.
    private var changed: Set<ObjectKey> = []
    private var reported: [ObjectKey: [Finding]] = [:]
    private var reportedOfNode: [Finding] = []
    private var reportedOfLedger: [Finding] = []
    /// How many reported findings there are now, of each kind.
    public private(set) var counts: [ProxyMetrics.FindingKind: Int] = [:]

    /// All findings, in order: those of the node, of each Service, and those that concern several.
    func all(with ledger: ServiceLedger) -> [Finding] {
        node + services.sorted { $0.key < $1.key }.flatMap(\.value) + ledger.findings
    }

    /// Forgets the findings of all Services: they are computed again.
    mutating func resetServices() {
        changed.formUnion(services.keys)
        services = [:]
    }

    /// Replaces the findings of a Service.
    mutating func replace(_ findings: [Finding], of key: ObjectKey) {
        if findings.isEmpty, services.removeValue(forKey: key) == nil { return }
        services[key] = findings.isEmpty ? nil : findings
        changed.insert(key)
    }

    /// Adds a finding of a Service.
    mutating func add(_ finding: Finding, of key: ObjectKey) {
        services[key, default: []].append(finding)
        changed.insert(key)
    }

    /// Removes the findings with a code of these Services. (What takes their place says that they have changed.)
    mutating func remove(code: String, of keys: Set<ObjectKey>) {
        for key in services.isEmpty ? [] : keys {
            services[key]?.removeAll { $0.code == code }
            if services[key]?.isEmpty == true { services[key] = nil }
        }
    }

    /// The findings that are new since the last call.
    mutating func takeNew(_ ledger: inout ServiceLedger) -> [Finding] {
        var news: [Finding] = []
        for key in changed.sorted() {
            let now = services[key] ?? []
            news += report(reported[key] ?? [], now)
            reported[key] = now.isEmpty ? nil : now
        }
        changed = []
        if ledger.takeContestNews() {
            let now = ledger.findings
            news += report(reportedOfLedger, now)
            reportedOfLedger = now
        }
        if reportedOfNode != node {
            news += report(reportedOfNode, node)
            reportedOfNode = node
        }
        return news
    }

    /// Counts findings that go and come; returns those that were not there.
    private mutating func report(_ before: [Finding], _ now: [Finding]) -> [Finding] {
        for finding in before { counts[ProxyMetrics.FindingKind(finding), default: 0] -= 1 }
        for finding in now { counts[ProxyMetrics.FindingKind(finding), default: 0] += 1 }
        return now.filter { !before.contains($0) }
    }
}
