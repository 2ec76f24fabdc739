/// Reads the heads of HTTP/1 requests byte by byte, as far as Go's server and the parser behind it differ: lines may end by LF
/// alone, and a first line that is no request is known as soon as it is one no longer, not when the client gives up.
struct RequestHeadReader {
    /// What became of some bytes.
    enum Verdict: Hashable {
        /// The head goes on.
        case incomplete
        /// The head has ended.
        case complete
        /// It is no head of HTTP/1; the status to answer with.
        case invalid(status: Int)
    }

    private enum Part { case blank, method, target, version, header }

    private var part = Part.blank
    private var method: [UInt8] = []
    /// Bytes of the part, for headers of the line.
    private var count = 0
    /// Whether the last byte was a CR, which has not been passed on.
    private var hasReturn = false
    private var blankLinesLeft: Int

    /// - Parameter isFirst: whether it is the first request of the connection. One empty line before a request is let pass
    ///   (RFC 9112, section 2.2), more of them after another request: BIG-IP ends what its monitors send by two of its own.
    init(isFirst: Bool) { blankLinesLeft = isFirst ? 1 : 8 }

    private static let longestMethod = 32
    private static let cr: UInt8 = 13
    private static let lf: UInt8 = 10
    private static let protocolName = Array("HTTP/".utf8)

    /// Whether something of a request has come.
    var hasBegun: Bool { part != .blank }

    /// Reads bytes up to the end of the head.
    ///
    /// - Parameter output: what the parser is to be given, with lines that end by CR and LF.
    /// - Returns: how many bytes were read, and what they are.
    mutating func read(_ bytes: some Sequence<UInt8>, into output: inout [UInt8]) -> (count: Int, verdict: Verdict) {
        var number = 0
        for byte in bytes {
            number += 1
            let verdict = take(byte, &output)
            if verdict != .incomplete { return (number, verdict) }
        }
        return (number, .incomplete)
    }

    private mutating func take(_ byte: UInt8, _ output: inout [UInt8]) -> Verdict {
        // A CR is good for nothing but the LF after it.
        if hasReturn, byte != Self.lf { return .invalid(status: 400) }
        switch part {
        case .blank:
            if byte == Self.cr || byte == Self.lf { return blank(byte) }
            begin(.method)
            return take(byte, &output)
        case .method:
            if byte == 32, count > 0 {
                begin(.target)
            } else if Self.isToken(byte), count < Self.longestMethod {
                count += 1
                method.append(byte)
            } else {
                return .invalid(status: 400)
            }
            output.append(byte)
        case .target:
            if byte == 32, count > 0 {
                begin(.version)
            } else if byte > 32, byte != 127 {
                count += 1
            } else {
                // The end of a line among them: a request without a version.
                return .invalid(status: 400)
            }
            output.append(byte)
        case .version: return version(byte, &output)
        case .header: return header(byte, &output)
        }
        return .incomplete
    }

    private mutating func begin(_ next: Part) {
        part = next
        count = 0
    }

    private mutating func blank(_ byte: UInt8) -> Verdict {
        hasReturn = byte == Self.cr
        if byte == Self.lf { blankLinesLeft -= 1 }
        return blankLinesLeft < 0 ? .invalid(status: 400) : .incomplete
    }

    private mutating func version(_ byte: UInt8, _ output: inout [UInt8]) -> Verdict {
        let isDigit = (48...57).contains(byte)
        switch count {
        case 0..<5: if byte != Self.protocolName[count] { return .invalid(status: 400) }
        case 5:
            guard isDigit else { return .invalid(status: 400) }
            // The preface of HTTP/2 is the one request of that version that Go's server calls a bad one.
            if byte != 49 { return .invalid(status: method == Array("PRI".utf8) ? 400 : 505) }
        case 6: if byte != 46 { return .invalid(status: 400) }
        case 7:
            guard isDigit else { return .invalid(status: 400) }
            // Whatever comes after 1.1 is understood as 1.1.
            output.append(min(byte, 49))
            count += 1
            return .incomplete
        default: return endOfLine(byte, &output) ?? .invalid(status: 400)
        }
        count += 1
        output.append(byte)
        return .incomplete
    }

    private mutating func header(_ byte: UInt8, _ output: inout [UInt8]) -> Verdict {
        let isEmpty = count == 0
        if let verdict = endOfLine(byte, &output) {
            return byte == Self.lf && isEmpty ? .complete : verdict
        }
        count += 1
        output.append(byte)
        return .incomplete
    }

    /// Nil if the byte ends no line.
    private mutating func endOfLine(_ byte: UInt8, _ output: inout [UInt8]) -> Verdict? {
        if byte == Self.cr {
            hasReturn = true
        } else if byte == Self.lf {
            hasReturn = false
            output += [Self.cr, Self.lf]
            begin(.header)
        } else {
            return nil
        }
        return .incomplete
    }

    /// RFC 9110, section 5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
