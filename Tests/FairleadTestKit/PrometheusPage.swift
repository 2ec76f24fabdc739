/// A page of metrics in Prometheus' text format 0.0.4, parsed as strictly as its rules are.
public struct PrometheusPage: Sendable {
    /// What is wrong with a page.
    public struct Fault: Error, CustomStringConvertible {
        /// What is wrong, and with which line.
        public var description: String
    }

    private struct Series {
        var name: String
        var labels: [(name: String, value: String)]
        var value: Double
    }

    /// The values by series, as it is written: `name{label="value"}`.
    public private(set) var values: [String: Double] = [:]
    private var types: [String: String] = [:]
    private var helped: Set<String> = []
    private var family = ""
    private var buckets: [String: [(bound: Double, count: Double)]] = [:]
    private var counts: [String: Double] = [:]

    /// Parses a page.
    public init(_ text: String) throws {
        guard text.isEmpty || text.hasSuffix("\n") else { throw Fault(description: "no line feed at the end") }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            try line.hasPrefix("#") ? readComment(line) : readSample(line)
        }
        for (series, list) in buckets {
            guard let last = list.last, last.bound == .infinity else { throw Fault(description: "\(series): no +Inf") }
            guard counts[series] == last.count else { throw Fault(description: "\(series): count differs from +Inf") }
            for (one, next) in zip(list, list.dropFirst()) where one.bound >= next.bound || one.count > next.count {
                throw Fault(description: "\(series): buckets do not ascend")
            }
        }
    }

    private mutating func readComment(_ line: Substring) throws {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard words.count == 4 else { throw Fault(description: "comment: \(line)") }
        let name = String(words[2])
        switch words[1] {
        case "HELP":
            guard helped.insert(name).inserted else { throw Fault(description: "second HELP of \(name)") }
        case "TYPE":
            guard helped.contains(name), types[name] == nil, ["counter", "gauge", "histogram"].contains(words[3])
            else { throw Fault(description: "TYPE: \(line)") }
            types[name] = String(words[3])
            family = name
        default: throw Fault(description: "comment: \(line)")
        }
    }

    private mutating func readSample(_ line: Substring) throws {
        let series = try Self.parse(line)
        let type = types[family]
        let suffix = series.name.hasPrefix(family) ? String(series.name.dropFirst(family.count)) : "?"
        let allowed = type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        guard type != nil, allowed.contains(suffix) else { throw Fault(description: "not of \(family): \(line)") }
        let space = line.lastIndex(of: " ") ?? line.endIndex
        guard values.updateValue(series.value, forKey: String(line[..<space])) == nil else {
            throw Fault(description: "twice: \(line)")
        }
        if type != "gauge", !(series.value >= 0) { throw Fault(description: "negative: \(line)") }
        let others = series.labels.filter { $0.name != "le" }.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
        let key = "\(family){\(others)}"
        if suffix == "_bucket" {
            guard let text = series.labels.first(where: { $0.name == "le" })?.value,
                let bound = text == "+Inf" ? .infinity : Double(text)
            else { throw Fault(description: "no bound: \(line)") }
            buckets[key, default: []].append((bound, series.value))
        }
        if suffix == "_count" { counts[key] = series.value }
    }

    private static func parse(_ line: Substring) throws -> Series {
        var rest = line
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        rest = rest.dropFirst(name.count)
        guard let first = name.first, !first.isNumber else { throw Fault(description: "name: \(line)") }
        var labels: [(name: String, value: String)] = []
        if rest.first == "{" {
            repeat {
                rest = rest.dropFirst()
                let label = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
                rest = rest.dropFirst(label.count)
                guard !label.isEmpty, !labels.contains(where: { $0.name == label }), rest.hasPrefix("=\"") else {
                    throw Fault(description: "label: \(line)")
                }
                rest = rest.dropFirst(2)
                labels.append((label, try value(&rest, line)))
            } while rest.first == ","
            guard rest.first == "}" else { throw Fault(description: "label: \(line)") }
            rest = rest.dropFirst()
        }
        guard rest.first == " ", let number = Double(rest.dropFirst()) else {
            throw Fault(description: "value: \(line)")
        }
        return Series(name: String(name), labels: labels, value: number)
    }

    private static func value(_ rest: inout Substring, _ line: Substring) throws -> String {
        var result = ""
        while let character = rest.popFirst() {
            if character == "\"" { return result }
            guard character == "\\" else {
                result.append(character)
                continue
            }
            switch rest.popFirst() {
            case "\\": result += "\\"
            case "\"": result += "\""
            case "n": result += "\n"
            default: throw Fault(description: "escape: \(line)")
            }
        }
        throw Fault(description: "label without an end: \(line)")
    }
}
