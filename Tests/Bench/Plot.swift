/// A plot with logarithmic axes, as SVG: what time grows with what size.
struct Plot {
    /// A line of points.
    struct Series {
        var name: String
        var points: [(x: Double, y: Double)]
    }

    var title: String
    var xLabel: String
    var yLabel: String
    var series: [Series]

    private static let (width, height, margin) = (720.0, 420.0, 60.0)
    private static let colors = ["#1f6feb", "#cf222e", "#1a7f37", "#8250df", "#9a6700"]

    /// The decades that the values span.
    private static func decades(_ values: [Double]) -> ClosedRange<Int> {
        func exponent(_ value: Double) -> Int {
            var (rest, result) = (value, 0)
            while rest >= 10 { (rest, result) = (rest / 10, result + 1) }
            while rest < 1 && rest > 0 { (rest, result) = (rest * 10, result - 1) }
            return result
        }
        let low = exponent(values.min() ?? 1)
        return low...max(low + 1, exponent(values.max() ?? 1) + 1)
    }

    /// The position of a value between the ends of the decades, 0...1.
    private static func place(_ value: Double, _ decades: ClosedRange<Int>) -> Double {
        var (rest, exponent) = (value, 0.0)
        while rest >= 10 { (rest, exponent) = (rest / 10, exponent + 1) }
        while rest < 1 && rest > 0 { (rest, exponent) = (rest * 10, exponent - 1) }
        // The logarithm between 1 and 10, by its binary digits: the standard library alone has none.
        var (mantissa, step) = (0.0, 0.5)
        for _ in 0..<20 {
            rest *= rest
            if rest >= 10 { (rest, mantissa) = (rest / 10, mantissa + step) }
            step /= 2
        }
        return (exponent + mantissa - Double(decades.lowerBound)) / Double(decades.count - 1)
    }

    /// The picture.
    var svg: String {
        let points = series.flatMap(\.points)
        let (xs, ys) = (Self.decades(points.map(\.x)), Self.decades(points.map(\.y)))
        let (w, h, m) = (Self.width, Self.height, Self.margin)
        func x(_ value: Double) -> Double { m + Self.place(value, xs) * (w - 2 * m) }
        func y(_ value: Double) -> Double { h - m - Self.place(value, ys) * (h - 2 * m) }
        func power(_ exponent: Int) -> Double {
            (0..<abs(exponent)).reduce(1.0) { value, _ in exponent > 0 ? value * 10 : value / 10 }
        }
        func text(_ x: Double, _ y: Double, _ content: String, _ anchor: String = "middle") -> String {
            "<text x=\"\(x.text(1))\" y=\"\(y.text(1))\" text-anchor=\"\(anchor)\">\(content)</text>\n"
        }
        var result = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(w.text(0)) \(h.text(0))\" "
        result +=
            "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        result += text(w / 2, 24, title) + text(w / 2, h - 14, xLabel) + text(m, m - 14, yLabel, "start")
        func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
            "<path d=\"M\(x1.text(1)) \(y1.text(1))L\(x2.text(1)) \(y2.text(1))\" stroke=\"#d0d7de\"/>\n"
        }
        for exponent in xs {
            let place = x(power(exponent))
            result += line(place, m, place, h - m) + text(place, h - m + 18, Int(power(exponent)).grouped)
        }
        for exponent in ys {
            let place = y(power(exponent))
            let label = power(exponent).text(max(0, -exponent))
            result += line(m, place, w - m, place) + text(m - 8, place + 4, label, "end")
        }
        for (index, line) in series.enumerated() {
            let color = Self.colors[index % Self.colors.count]
            let path = line.points.map { "\(x($0.x).text(1)),\(y($0.y).text(1))" }.joined(separator: " ")
            result += "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"2\"/>\n"
            for point in line.points {
                result +=
                    "<circle cx=\"\(x(point.x).text(1))\" cy=\"\(y(point.y).text(1))\" r=\"3\" fill=\"\(color)\"/>\n"
            }
            result += "<g fill=\"\(color)\">" + text(m + 10, m + 16 + Double(index) * 16, line.name, "start") + "</g>\n"
        }
        return result + "</svg>\n"
    }
}
