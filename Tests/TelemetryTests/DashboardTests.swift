import FairleadTestKit
import Foundation
import KubernetesModel
import Telemetry
import Testing

/// docs/deploy/grafana-dashboard.json against the metrics that there are.
@Suite struct DashboardTests {
    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct Target: Decodable { var expr: String }
            struct Place: Decodable, Hashable { var x, y, w, h: Int }
            var id: Int
            var title: String
            var targets: [Target]
            var gridPos: Place
        }
        var panels: [Panel]
    }

    private static func text() throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
        return try String(contentsOfFile: "\(root)/docs/deploy/grafana-dashboard.json", encoding: .utf8)
    }

    /// The names of everything that a scrape can have, with what histograms make of theirs.
    private static var names: Set<String> {
        let counters = [ServiceCounter.Event.connection, .rejected].map {
            ServiceCounter($0, service: ObjectKey(namespace: "a", name: "b"), port: "c", frontend: "d", packets: 1)
        }
        var busy = MetricsTests.busy
        busy.conntrack = ConntrackUsage(count: "7", limit: "9", statistics: [])
        let metrics = busy.metrics + ServiceCounter.metrics(counters)
        var names = Set(metrics.map(\.name)).union(["process_cpu_seconds_total", "process_resident_memory_bytes"])
        for name in names where name.hasSuffix("_seconds") || name.hasSuffix("_elements") {
            for part in ["_bucket", "_count", "_sum"] { names.insert(name + part) }
        }
        return names
    }

    private static func words(_ expression: String) -> Set<String> {
        let parts = expression.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
        return Set(parts.filter { ["fairlead_", "kubeproxy_", "process_"].contains(where: $0.hasPrefix) })
    }

    @Test("every metric that a panel asks for is one that the daemon has, and each panel asks for one")
    func metrics() throws {
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: Data(try Self.text().utf8))
        #expect(dashboard.panels.count >= 10)
        let names = Self.names
        for panel in dashboard.panels {
            for target in panel.targets {
                let words = Self.words(target.expr)
                #expect(!words.isEmpty && words.isSubset(of: names), "\(panel.title): \(words.subtracting(names))")
                #expect(target.expr.contains("instance=~\"$instance\""), "\(panel.title)")
            }
        }
    }

    @Test("panels have identities of their own and do not overlap")
    func places() throws {
        let panels = try JSONDecoder().decode(Dashboard.self, from: Data(try Self.text().utf8)).panels
        #expect(Set(panels.map(\.id)).count == panels.count && Set(panels.map(\.title)).count == panels.count)
        var cells: Set<[Int]> = []
        for place in panels.map(\.gridPos) {
            #expect(place.x + place.w <= 24)
            for x in place.x..<place.x + place.w {
                for y in place.y..<place.y + place.h { #expect(cells.insert([x, y]).inserted, "\(place)") }
            }
        }
    }
}
