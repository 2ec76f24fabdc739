import KubernetesModel

/// What Kubernetes' components tell of themselves where their metrics are: `/configz`, `/flagz` (KEP-4828) and `/statusz`
/// (KEP-4827). They only read.
public struct ComponentPages: Sendable {
    /// The program's name.
    public static let name = "fairlead"
    /// The configuration in force as a JSON object.
    public var configuration = "{}"
    /// Flags and their values in force, without dashes before their names.
    public var flags: [String: String] = [:]
    /// The program's version.
    public var version = ""
    /// Whether `/statusz` is served (`ComponentStatusz`).
    public var tellsStatus = true
    /// Whether `/flagz` is served (`ComponentFlagz`).
    public var tellsFlags = true

    /// Pages of which nothing is known yet.
    public init() {}

    /// The paths that are served on the metrics address and that somebody may want to know of.
    var paths: [String] {
        ["/configz"] + (tellsFlags ? ["/flagz"] : []) + ["/healthz", "/metrics", "/metrics/slis", "/proxyMode"]
            + (tellsStatus ? ["/statusz"] : [])
    }

    /// Whether the path is one of these pages.
    public func has(_ path: String) -> Bool {
        switch path {
        case "/configz": true
        case "/flagz": tellsFlags
        case "/statusz": tellsStatus
        default: false
        }
    }

    /// Answers for one of these pages; nil for any other path.
    ///
    /// - Parameters:
    ///   - path: the path asked for.
    ///   - accept: the header `Accept`; nil if there is none.
    ///   - start: when the process started, in seconds since 1970; nil if that is not known.
    ///   - now: the present moment.
    public func answer(_ path: String, accept: String?, start: Double?, at now: Moment) -> HTTPAnswer? {
        guard has(path) else { return nil }
        if path == "/configz" {
            // The key is the API group's name, as with kube-proxy.
            return .json("{\"kubeproxy.config.k8s.io\":\(configuration)}")
        }
        let kind = path == "/flagz" ? "Flagz" : "Statusz"
        switch Form(accept: accept, kind: kind) {
        case .text: return .text(kind == "Flagz" ? flagText : statusText(start, now))
        case .object(let version):
            let fields = kind == "Flagz" ? flagFields : statusFields(start, now)
            return .json(
                "{\"kind\":\"\(kind)\",\"apiVersion\":\"config.k8s.io/\(version)\","
                    + "\"metadata\":{\"name\":\"\(Self.name)\"},\(fields)}")
        case nil: return .text("Not Acceptable\n", status: 406)
        }
    }

    // MARK: Flags

    private var sortedFlags: [(key: String, value: String)] { flags.sorted { $0.key < $1.key } }

    /// A line for people must stay one: values may hold anything.
    private var flagText: String {
        Self.heading("flags") + sortedFlags.map { "\($0.key)=\($0.value.printable)\n" }.joined()
    }

    private var flagFields: String {
        let members = sortedFlags.map { "\(JSONText.string($0.key)):\(JSONText.string($0.value))" }
        return "\"flags\":{\(members.joined(separator: ","))}"
    }

    // MARK: Status

    private func statusText(_ start: Double?, _ now: Moment) -> String {
        var text = Self.heading("statusz")
        if let start {
            let up = Self.uptime(start, now)
            text += "Started: \(Self.timestamp(start))\n"
            text += "Up: \(up / 3600) hr \((up / 60 % 60).padded(2)) min \((up % 60).padded(2)) sec\n"
        }
        return text + "Binary version: \(version)\nPaths: \(paths.joined(separator: " "))\n"
    }

    private func statusFields(_ start: Double?, _ now: Moment) -> String {
        var fields: [String] = []
        if let start {
            fields += ["\"startTime\":\"\(Self.timestamp(start))\"", "\"uptimeSeconds\":\(Self.uptime(start, now))"]
        }
        fields.append("\"binaryVersion\":\(JSONText.string(version))")
        fields.append("\"paths\":[\(paths.map(JSONText.string).joined(separator: ","))]")
        return fields.joined(separator: ",")
    }

    private static func uptime(_ start: Double, _ now: Moment) -> Int { max(0, Int(now.seconds - start)) }

    private static func timestamp(_ seconds: Double) -> String { CalendarTime(seconds: Int64(seconds)).timestamp() }

    private static func heading(_ title: String) -> String {
        "\n\(name) \(title)\nWarning: this page is for people; its form may change with any version.\n\n"
    }
}

extension ComponentPages {
    /// In which form a page is wanted.
    enum Form: Equatable {
        /// For people.
        case text
        /// JSON of this version of the API group `config.k8s.io`.
        case object(String)

        /// The first of the header's forms that there is; nil if there is none. Weights (`q`) are not looked at.
        ///
        /// - Parameters:
        ///   - accept: the header; nil stands for text.
        ///   - kind: the kind of the object.
        init?(accept: String?, kind: String) {
            guard let accept, !accept.trimmingBlanks.isEmpty else {
                self = .text
                return
            }
            for range in accept.split(separator: ",") {
                let parts = range.split(separator: ";").map { String($0).trimmingBlanks }
                switch parts.first?.lowercased() {
                case "*/*", "text/*", "text/plain":
                    self = .text
                    return
                case "application/json":
                    let version = ["v1beta1", "v1alpha1"].first { parts.contains("v=\($0)") }
                    guard let version, parts.contains("g=config.k8s.io"), parts.contains("as=\(kind)") else { continue }
                    self = .object(version)
                    return
                default: continue
                }
            }
            return nil
        }
    }
}
