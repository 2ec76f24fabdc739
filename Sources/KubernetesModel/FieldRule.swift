import NetworkTypes

/// What the API server's validation says of single values, as far as it matters to a dataplane.
///
/// `path` goes into the problem, if there is one.
package enum FieldRule {
    /// An enumeration's case; nil for an empty text, which the API takes as absent.
    package static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ text: String, _: Choice.Type = Choice.self, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> Choice? {
        if text.isEmpty { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        let list = names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
        throw FieldProblem(path(), "must be \(list), is \(text.quoted)")
    }

    /// `protocol` of a port, by default TCP.
    package static func transport(
        _ text: String, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> TransportProtocol {
        if text.isEmpty { return .tcp }
        if let transport = TransportProtocol(kubernetes: text) { return transport }
        throw FieldProblem(path(), "must be TCP, UDP or SCTP, is \(text.quoted)")
    }

    /// The name of a port, which may be empty.
    package static func portName(
        _ text: String, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> String {
        if !text.isEmpty { try NameRule.label.check(text, at: path()) }
        return text
    }

    /// A number in a range.
    package static func number(
        _ value: Int, in range: ClosedRange<Int>, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> Int {
        if range.contains(value) { return value }
        throw FieldProblem(path(), outOfRange("\(value)", range))
    }

    /// A port number; 0 only if `lowest` is.
    package static func port(
        _ value: Int, from lowest: Int = 1, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> UInt16 {
        UInt16(try number(value, in: lowest...65535, at: path()))
    }

    /// What is wrong with a number that is not in the range.
    package static func outOfRange(_ number: String, _ range: ClosedRange<Int>) -> String {
        "must be \(range.lowerBound) to \(range.upperBound), is \(number.excerpt)"
    }

    /// An address.
    package static func address(
        _ text: String, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> IPAddress {
        if let address = IPAddress(text) { return address }
        throw FieldProblem(path(), notAnAddress(text))
    }

    /// What is wrong with a text that is no address.
    package static func notAnAddress(_ text: String) -> String { "\(text.quoted) is not an IP address" }

    /// A block of addresses. Host bits may be set, as the API allows in most places.
    package static func block(
        _ text: String, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> CIDR {
        if let block = CIDR(text.trimmingBlanks) { return block }
        throw FieldProblem(path(), "\(text.trimmingBlanks.quoted) is not a CIDR such as 10.0.0.0/8")
    }

    /// Throws if no Service and no endpoint can have the address: the API server refuses most special ones, for which a
    /// packet would never arrive or would reach something else on the node. It accepts multicast addresses but for link-local ones,
    /// and the broadcast address.
    package static func checkServiceAddress(
        _ address: IPAddress, allowingLinkLocal: Bool = false, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) {
        if address.isLoopback { throw FieldProblem(path(), "\(address) is a loopback address") }
        if address.isUnspecified { throw FieldProblem(path(), "\(address) is the unspecified address") }
        if address.isMulticast { throw FieldProblem(path(), "\(address) is a multicast address") }
        if address.isBroadcast { throw FieldProblem(path(), "\(address) is the broadcast address") }
        if address.isLinkLocal, !allowingLinkLocal { throw FieldProblem(path(), "\(address) is a link-local address") }
    }

    /// An address that a Service can have.
    package static func serviceAddress(
        _ text: String, allowingLinkLocal: Bool = false, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) -> IPAddress {
        let address = try address(text, at: path())
        try checkServiceAddress(address, allowingLinkLocal: allowingLinkLocal, at: path())
        return address
    }
}
