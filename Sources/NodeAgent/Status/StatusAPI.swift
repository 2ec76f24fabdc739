import FoundationEssentials
import KubernetesModel
import NetworkTypes
import Observability
import PacketPath
import Telemetry

/// Answers `/api/v1/…` on the metrics address: what `fairlead status` and the status page are made from. It only reads.
struct StatusAPI: Sendable {
    let board: StatusBoard
    let counters: ServiceCounters
    let views: DaemonViews
    /// The node's name in the cluster.
    let nodeName: String
    /// What is counted.
    let counts: Counts

    /// What is counted of Services that are served.
    struct Counts: Sendable {
        /// New connections (`--service-counters`).
        var connections = false
        /// Bytes and packets (`--service-traffic`).
        var traffic = false
    }

    /// Where it is.
    static let prefix = "/api/v1/"

    /// An answer that is no success.
    private struct Refusal: Codable {
        var error: String
    }

    /// Answers requests for the page and for its data; nil for any other one.
    func respond(to request: HTTPRequest) async -> HTTPAnswer? {
        if request.path.hasPrefix(Self.prefix) { return await answer(request) }
        guard StatusPage.paths.contains(request.path) else { return nil }
        return request.isMeantForServer(named: [nodeName]) ? StatusPage.answer(request) : Self.wrongHost
    }

    /// Answers a request for a path that begins with `prefix`.
    private func answer(_ request: HTTPRequest) async -> HTTPAnswer {
        guard request.isMeantForServer(named: [nodeName]) else { return Self.wrongHost }
        guard request.method == "GET" || request.method == "HEAD" else { return .methodNotAllowed }
        let query = HTTPQuery(request.query)
        let path = request.path.dropFirst(Self.prefix.count).split(separator: "/", omittingEmptySubsequences: false)
        let parts = path.map { HTTPQuery.decoded($0, plusIsBlank: false) }
        switch parts {
        case ["status"]: return Self.json(await status())
        case ["history"]:
            return Self.json(
                board.current.history.report(
                    at: .now, countsConnections: counts.connections, countsTraffic: counts.traffic))
        case ["services"]: return await services(query)
        case _ where parts.count == 3 && parts[0] == "services":
            return await service(ObjectKey(namespace: parts[1], name: parts[2]))
        case ["explain"]: return await explain(query)
        default: return Self.refuse(404, "there is no \(request.path.printable)")
        }
    }

    /// What a web site gets that has its own name resolve to this server.
    static let wrongHost = refuse(
        403, "this server answers for IP addresses, localhost and the node's name only; use one of them in the URL")

    // MARK: Answers

    private func services(_ query: HTTPQuery) async -> HTTPAnswer {
        var selection = ServiceRows.Selection()
        selection.words = (query["filter"] ?? "").lowercased().split(whereSeparator: \.isWhitespace).map(String.init)
        for (name, range) in [("offset", 0...Int(Int32.max)), ("limit", 1...ServiceRows.Selection.largestLimit)] {
            guard let text = query[name] else { continue }
            guard let number = Int(text), range.contains(number) else {
                return Self.refuse(
                    400, "\(name): a number from \(range.lowerBound) to \(range.upperBound) is needed")
            }
            if name == "offset" { selection.offset = number } else { selection.limit = number }
        }
        switch query["only"] ?? "" {
        case "": break
        case "refusing": selection.refusingOnly = true
        case "findings": selection.findingsOnly = true
        default: return Self.refuse(400, "only: refusing or findings")
        }
        guard let order = ServiceRows.Order(rawValue: query["sort"] ?? "name") else {
            return Self.refuse(400, "sort: \(ServiceRows.Order.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        selection.order = order
        guard let view = await views.current() else { return Self.busy }
        let rows = ServiceRows(view, await counters.reading(), counts)
        return Self.json(rows.list(selection))
    }

    private func service(_ key: ObjectKey) async -> HTTPAnswer {
        guard let view = await views.current() else { return Self.busy }
        let rows = ServiceRows(view, await counters.reading(), counts)
        guard let detail = rows.detail(key) else {
            return Self.refuse(404, "there is no Service \("\(key)".quoted)")
        }
        return Self.json(detail)
    }

    private func explain(_ query: HTTPQuery) async -> HTTPAnswer {
        guard let from = query["from"], let to = query["to"] else {
            return Self.refuse(400, "from and to are needed, as with 'fairlead explain'")
        }
        do throws(QuestionError) {
            var question = try Question(from: from.trimmingBlanks, to: to.trimmingBlanks)
            question.interface = query["input-interface"]
            question.family = query["ipv6"] == "true" ? .ipv6 : .ipv4
            guard let view = await views.current() else { return Self.busy }
            let explainer = DaemonExplainer(view.desired, addresses: Wiring.addresses(counters.logger) ?? [])
            var explanation = try explainer.explain(question)
            if let kernel = try? Wiring.openKernel(), let notes = try? SurroundingNotes(kernel) {
                notes.add(to: &explanation)
            }
            return .json(ExplanationJSON.line(explanation), extra: Self.headers)
        } catch {
            return Self.refuse(400, "\(error)")
        }
    }

    // MARK: JSON

    /// Nobody keeps what was true a moment ago.
    private static let headers = [HTTPAnswer.Header("Cache-Control", "no-store")]
    private static let busy = refuse(503, "the daemon has not read its objects yet, or is busy; try again")

    private static func refuse(_ status: Int, _ reason: String) -> HTTPAnswer {
        json(Refusal(error: reason), status: status)
    }

    private static func json(_ value: some Encodable, status: Int = 200) -> HTTPAnswer {
        .json(StatusJSON.text(value) + "\n", status: status, extra: headers)
    }
}

/// JSON of the status, one way and back.
package enum StatusJSON {
    /// Text in one line, its fields in the order of their names.
    static func text(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // What is encoded has texts and finite numbers only: that cannot fail.
        guard let data = try? encoder.encode(value) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// A value from text.
    package static func value<Value: Decodable>(_ type: Value.Type, _ bytes: some Sequence<UInt8>) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
