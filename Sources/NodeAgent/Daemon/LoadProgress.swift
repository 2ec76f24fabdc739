import Reconciliation
import Terminal

/// Says on a terminal what a first load is at.
package enum LoadProgress {
    /// The objects are being read.
    package static func showReading() { StandardError.progress.show("reading the objects …") }

    /// A full synchronization goes on.
    package static func show(_ phase: SyncPhase) { StandardError.progress.show(text(phase)) }

    /// It is over, or something else is to be told.
    package static func clear() { StandardError.progress.clear() }

    /// How many elements there will be is not known before the last Service is computed: it is inferred from those that are.
    static func text(_ phase: SyncPhase) -> String {
        switch phase {
        case .observing: return "reading what the kernel has …"
        case .committing(let services, let total, 0):
            return "planning: \(services.grouped) of \(total.grouped) Services …"
        case .committing(let services, let total, let elements):
            let expected = services < total ? elements * total / max(services, 1) : elements
            let about = services < total ? "about " : ""
            return "committing: \(elements.grouped) of \(about)\(expected.grouped) elements …"
        }
    }
}

extension Int {
    /// The number with commas between thousands.
    var grouped: String {
        let digits = String(magnitude)
        var result = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
            result.append(digit)
        }
        return self < 0 ? "-\(result)" : result
    }
}
