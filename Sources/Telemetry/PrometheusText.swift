/// Metrics in Prometheus' text format, version 0.0.4.
public enum PrometheusText {
    /// The type of the content.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text. Metrics without samples are left out.
    public static func render(_ metrics: [Metric]) -> String {
        var text = ""
        for metric in metrics where !metric.samples.isEmpty {
            text += "# HELP \(metric.name) \(escaped(metric.help, quotes: false))\n"
            text += "# TYPE \(metric.name) \(metric.kind.rawValue)\n"
            for sample in metric.samples {
                switch sample.value {
                case .number(let value): text += line(metric.name, sample.labels, value)
                case .histogram(let histogram): append(histogram, metric.name, sample.labels, to: &text)
                }
            }
        }
        return text
    }

    private static func append(_ histogram: Histogram, _ name: String, _ labels: [Metric.Label], to text: inout String)
    {
        var total = 0
        for (index, count) in histogram.counts.enumerated() {
            total += count
            let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
            text += line("\(name)_bucket", labels + [Metric.Label("le", bound)], Double(total))
        }
        text += line("\(name)_sum", labels, histogram.sum)
        text += line("\(name)_count", labels, Double(total))
    }

    private static func line(_ name: String, _ labels: [Metric.Label], _ value: Double) -> String {
        if labels.isEmpty { return "\(name) \(number(value))\n" }
        let list = labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
        return "\(name){\(list)} \(number(value))\n"
    }

    /// A whole number without decimals, else as many as it needs.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { String($0) } ?? value.description
    }

    /// The text format's escapes: a name of an object must not forge a line.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
