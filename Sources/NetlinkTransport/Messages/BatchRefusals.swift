import Netfilter
import NetworkTypes

/// What the kernel has against a batch: it looks at each message by itself, and tells of each.
struct BatchRefusals {
    private var reports: [(report: ErrorReport, sequence: UInt32)] = []

    /// What the kernel may have against an element itself. It has other errors for the state of the table (a set that is
    /// missing, an owner), and for its own (no memory).
    private static let elementErrors: Set<Int32> = [
        ErrorNumber.tooBig, ErrorNumber.exists, ErrorNumber.invalid, ErrorNumber.tableOverflow, ErrorNumber.noSpace,
        ErrorNumber.range, ErrorNumber.notEmpty, ErrorNumber.overflow, ErrorNumber.notSupported,
    ]

    /// Takes note of an error for the message with the sequence number.
    mutating func add(_ report: ErrorReport, _ sequence: UInt32) { reports.append((report, sequence)) }

    /// The error that says what is wrong with the batch; nil if nothing is.
    ///
    /// - Parameter transaction: what the batch was made from, to name elements.
    func error(_ batch: borrowing EncodedBatch, _ transaction: Transaction) -> NetlinkError? {
        guard let first = reports.first else { return nil }
        if first.report.code == ErrorNumber.restart, first.sequence == batch.firstSequence { return .staleGeneration }
        var elements: [RefusedElement] = []
        for (report, sequence) in reports {
            guard Self.elementErrors.contains(report.code),
                var element = BatchNaming.newElement(
                    sequence: sequence, offset: report.offset, in: batch.writer.bytes,
                    declaration: { transaction.set($1, $0) })
            else {
                let object = BatchNaming.object(
                    sequence: sequence, offset: report.offset, in: batch.writer.bytes,
                    declaration: { transaction.set($1, $0) })
                return .refused(object: object, errno: report.code, detail: report.text)
            }
            element.reason = "\(NetlinkError.refused(object: element.reason, errno: report.code, detail: report.text))"
            elements.append(element)
        }
        return .refusedElements(elements, errno: first.report.code)
    }
}

extension Transaction {
    /// The declaration of a set by which elements are changed.
    fileprivate func set(_ name: String, _ family: IPFamily) -> SetDeclaration? {
        for step in steps where step.family == family {
            switch step.operation {
            case .addElements(let set, _), .deleteElements(let set, _), .destroyElements(let set, _):
                if set.name == name { return set }
            default: continue
            }
        }
        return nil
    }
}

/// An acknowledgement, an error, or the end of a dump.
struct ErrorReport {
    /// The errno; 0 for an acknowledgement.
    let code: Int32
    /// What the kernel says about it.
    private(set) var text: String?
    /// The byte of the offending message at which the kernel found fault.
    private(set) var offset: Int?

    init(_ message: NetlinkMessage) {
        let payload = message.payload
        // Without a trap, whatever the number is.
        code = payload.count >= 4 ? 0 &- payload.loadUnaligned(as: Int32.self) : 0
        guard message.flags & ExtendedReport.flag != 0, payload.count > 20 else { return }
        for attribute in AttributeSequence(UnsafeRawBufferPointer(rebasing: payload[20...])) {
            switch attribute.type {
            case ExtendedReport.text: text = attribute.text
            case ExtendedReport.offset where attribute.value.count == 4:
                offset = Int(attribute.value.loadUnaligned(as: UInt32.self))
            default: continue
            }
        }
    }
}
