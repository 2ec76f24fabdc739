/// Numbers of the same measurement, several times.
struct Samples {
    private let sorted: [Double]

    init(_ values: [Double]) { sorted = values.sorted() }

    var least: Double { sorted.first ?? 0 }
    var greatest: Double { sorted.last ?? 0 }
    var median: Double {
        let count = sorted.count
        if count == 0 { return 0 }
        return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2
    }

    /// The least value that so large a part of the values does not exceed.
    func quantile(_ part: Double) -> Double {
        if sorted.isEmpty { return 0 }
        let rank = Int((part * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }

    /// `median (least–greatest)`.
    func text(_ decimals: Int) -> String {
        "\(median.text(decimals)) (\(least.text(decimals))–\(greatest.text(decimals)))"
    }
}

extension Double {
    /// The number with so many decimals.
    func text(_ decimals: Int) -> String {
        let scale = (0..<decimals).reduce(1) { value, _ in value * 10 }
        let whole = Int((magnitude * Double(scale)).rounded())
        let sign = self < 0 && whole > 0 ? "-" : ""
        if decimals == 0 { return sign + String(whole) }
        return sign + String(whole / scale) + "." + String(whole % scale + scale).dropFirst()
    }
}

extension Int {
    /// `10,000`.
    var grouped: String {
        var result = ""
        for (index, digit) in String(self).reversed().enumerated() {
            if index > 0 && index % 3 == 0 { result = "," + result }
            result = String(digit) + result
        }
        return result
    }
}

extension Duration {
    /// The duration as a number of seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
