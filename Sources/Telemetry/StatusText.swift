import KubernetesModel

/// The status of a node for people.
public enum StatusText {
    /// A page of text: what matters first.
    ///
    /// - Parameter limit: the most lines of each list.
    public static func page(_ status: NodeStatus, limit: Int = 10) -> String {
        var lines = [
            "\(status.node): fairlead \(status.version), up \(span(status.uptimeSeconds))", "  " + sync(status.sync),
        ]
        // The kernel's refusal is told with the last failure.
        for trouble in status.sync.troubles ?? [] where trouble.code != Troubles.Code.kernel.rawValue {
            let code = trouble.code.printable
            lines.append("  trouble (\(code), for \(span(trouble.seconds))): \(trouble.text.printable)")
        }
        if let failure = status.sync.lastFailure {
            let retry = failure.retryInSeconds.map { "; tried again in \(span($0))" } ?? ", mended since"
            lines.append("  last failure \(failure.time) (\(failure.cause)): \(failure.reason)\(retry)")
        }
        let counts = status.counts
        let elements = sum(counts.elements.values.flatMap(\.values))
        let held = counts.heldServices > 0 ? " (\(counts.heldServices) held as they were)" : ""
        lines += [
            "",
            "  \(counts.services) Services\(held), \(counts.frontends) frontends, \(counts.endpoints) endpoints, "
                + "\(elements) elements",
            "  \(plural(status.protection.driftRepairs, "repair")) of tables that another program had changed",
        ]
        if let handedOn = status.handedOn {
            let rate = handedOn.rate.map { " (\(decimal($0))/s)" } ?? ""
            lines.append("  \(handedOn.packets) packets handed on to other nodes\(rate)")
        }
        lines += refused(status, limit) + busiest(status, limit) + traffic(status, limit) + transactions(status, limit)
        lines += findings(status, limit)
        return lines.joined(separator: "\n") + "\n"
    }

    /// One line, for logs and for terminals that cannot be drawn over.
    public static func line(_ status: NodeStatus) -> String {
        var words = [
            status.time, status.node, status.sync.state.rawValue, "services=\(status.counts.services)",
            "frontends=\(status.counts.frontends)", "refusing=\(status.refused.total)",
        ]
        if let rate = status.refusedRate { words.append("refused/s=\(decimal(rate))") }
        if let rate = status.connectionRate { words.append("connections/s=\(decimal(rate))") }
        if let rate = status.handedOn?.rate { words.append("handed-on/s=\(decimal(rate))") }
        if let rate = status.trafficRate { words.append("bytes/s=\(decimal(rate))") }
        words += [
            "pending=\(status.sync.pendingChanges)", "failures=\(status.sync.failures)",
            "repairs=\(status.protection.driftRepairs)", "findings=\(status.findings.total)",
        ]
        let codes = Set((status.sync.troubles ?? []).map(\.code)).sorted()
        if !codes.isEmpty { words.append("troubles=\(codes.joined(separator: ",").printable)") }
        return words.joined(separator: " ") + "\n"
    }

    private static func sync(_ sync: NodeStatus.Sync) -> String {
        let last = sync.lastSuccessSeconds.map { "last found in line \(span($0)) ago" } ?? "never in line yet"
        let health = sync.healthy ? "" : "; UNHEALTHY"
        switch sync.state {
        case .starting: return "starting: the rules are not in line yet\(health)"
        case .synchronized: return "synchronized; \(last)\(health)"
        case .pending:
            let since = sync.pendingSince.map { " since \($0)" } ?? ""
            return "pending: a change waits\(since); \(last)\(health)"
        case .failing: return "FAILING; \(last)\(health)"
        }
    }

    // MARK: Lists

    private static func refused(_ status: NodeStatus, _ limit: Int) -> [String] {
        if let failure = status.counters.failure { return ["", "Counters cannot be read: \(failure)"] }
        guard status.refused.total > 0 else { return ["", "No Service rejects or drops connections."] }
        let rows = status.refused.items.prefix(limit).map { item in
            [
                "\(item.namespace)/\(item.name)", item.port, item.frontend,
                item.verdict + (item.sources == "outside" ? " (from outside)" : ""), "\(item.packets)",
                item.rate.map { "\(decimal($0))/s" } ?? "",
            ]
        }
        return ["", "Rejects or drops connections now (packets, rate)"]
            + table(rows, rightAligned: [4, 5]) + rest(status.refused.total, limit)
    }

    private static func busiest(_ status: NodeStatus, _ limit: Int) -> [String] {
        guard let busiest = status.busiest else {
            return ["", "New connections are not counted: the daemon runs without --service-counters."]
        }
        let rows = busiest.items.prefix(limit).map { item in
            ["\(item.namespace)/\(item.name)", "\(item.connections)", item.rate.map { "\(decimal($0))/s" } ?? ""]
        }
        return ["", "Services by new connections (so far, rate)"] + table(rows, rightAligned: [1, 2])
            + rest(busiest.total, limit)
    }

    private static func traffic(_ status: NodeStatus, _ limit: Int) -> [String] {
        guard let traffic = status.traffic else { return [] }
        let rows = traffic.items.prefix(limit).map { item in
            [
                "\(item.namespace)/\(item.name)", amount(Double(item.bytesIn)), amount(Double(item.bytesOut)),
                "\(item.packetsIn)", "\(item.packetsOut)", item.rate.map { "\(amount($0))/s" } ?? "",
            ]
        }
        return ["", "Services by traffic (bytes in and out, packets in and out, rate)"]
            + table(rows, rightAligned: [1, 2, 3, 4, 5]) + rest(traffic.total, limit)
    }

    /// Bytes: `812 B`, `1.5 kB`, `20.3 MB`.
    static func amount(_ bytes: Double) -> String {
        var (rest, units) = (bytes, ["B", "kB", "MB", "GB", "TB", "PB"][...])
        while rest >= 999.95, units.count > 1 { (rest, units) = (rest / 1000, units.dropFirst()) }
        return units.first == "B" ? "\(Int(rest.rounded())) B" : "\(decimal(rest)) \(units.first ?? "")"
    }

    private static func transactions(_ status: NodeStatus, _ limit: Int) -> [String] {
        guard !status.transactions.isEmpty else { return [] }
        let rows = status.transactions.prefix(limit).map { item in
            [
                item.time, item.cause, "\(decimal(item.seconds * 1000)) ms", "+\(item.added)", "-\(item.removed)",
                plural(item.services, "Service"), item.generation.map { "generation \($0)" } ?? "",
            ]
        }
        return ["", "Last commits (duration, elements, Services computed)"] + table(rows, rightAligned: [2, 3, 4, 5])
    }

    private static func findings(_ status: NodeStatus, _ limit: Int) -> [String] {
        guard status.findings.total > 0 else { return [] }
        let rows = status.findings.items.prefix(limit).map { [$0.severity, $0.text] }
        return ["", "Findings"] + table(rows, rightAligned: []) + rest(status.findings.total, limit)
    }

    private static func rest(_ total: Int, _ shown: Int) -> [String] {
        total > shown ? ["  … and \(total - shown) more"] : []
    }

    // MARK: Text

    private static func table(_ rows: [[String]], rightAligned: Set<Int>) -> [String] {
        // Names come from objects that no API server may have seen: they must not move the cursor.
        let rows = rows.map { $0.map(\.printable) }
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let space = String(repeating: " ", count: widths[column] - cell.count)
                line += "  " + (rightAligned.contains(column) ? space + cell : cell + space)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// Whoever answers may name any numbers.
    private static func sum(_ numbers: [Int]) -> Int {
        numbers.reduce(0) { sum, number in
            let (result, overflows) = sum.addingReportingOverflow(number)
            return overflows ? .max : result
        }
    }

    private static func plural(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

    /// One decimal below 100, none above.
    private static func decimal(_ value: Double) -> String {
        let tenths = Int((min(max(value, 0), 1e15) * 10).rounded())
        return tenths < 1000 ? "\(tenths / 10).\(tenths % 10)" : "\((tenths + 5) / 10)"
    }

    /// A time span in its two largest units.
    static func span(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e12).rounded(.down))
        let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")]
        guard let first = units.firstIndex(where: { whole >= $0.0 }) else { return "0 s" }
        let parts = units[first..<min(first + 2, units.count)].map { size, name in
            "\(whole % (size == 86_400 ? Int.max : size * (size == 3_600 ? 24 : 60)) / size) \(name)"
        }
        return parts.joined(separator: " ")
    }
}
