import NetworkTypes

/// What the API server's validation says of an EndpointSlice, as far as it matters to a dataplane.
extension EndpointSlice {
    /// The values of `addressType`.
    package enum AddressType: String, CaseIterable {
        /// IPv4 addresses.
        case ipv4 = "IPv4"
        /// IPv6 addresses.
        case ipv6 = "IPv6"
        /// Names, which have no meaning for a dataplane.
        case fqdn = "FQDN"

        /// The family of the endpoints; nil for names.
        package var family: IPFamily? {
            switch self {
            case .ipv4: .ipv4
            case .ipv6: .ipv6
            case .fqdn: nil
            }
        }
    }

    /// An entry of `ports`, as texts and numbers; absent ones are empty or nil.
    package typealias PortFields = (name: String, transport: String, port: Int?)

    /// Takes over `ports`. An entry that cannot be used is left out with a note; one without a usable number stays, as the API
    /// has it for `null`: it means all ports, which is nothing to a Service port. (API servers, also 1.36, accept any number here.)
    package mutating func setPorts(_ list: [PortFields], _ notes: inout FieldNotes) {
        var names: Set<String> = []
        ports.reserveCapacity(list.count)
        for (index, entry) in list.enumerated() {
            func path(_ field: String) -> FieldPath { FieldPath("ports").entry(index, field) }
            guard notes.keep(try FieldRule.portName(entry.name, at: path("name"))) != nil,
                let transport = notes.keep(try FieldRule.transport(entry.transport, at: path("protocol")))
            else { continue }
            if list.count > 1, !names.insert(entry.name).inserted {
                let message =
                    entry.name.isEmpty ? "only one port may go without a name" : "\(entry.name.quoted) stands twice"
                notes.leaveOut(FieldProblem(path("name"), message))
                continue
            }
            let number = entry.port.flatMap { notes.port($0, at: path("port")) }
            ports.append(EndpointPort(name: entry.name, transport: transport, port: number))
        }
    }

    /// Takes over `addressType`. A type that is not known has no endpoints that could be used.
    package mutating func setAddressType(_ text: String, _ notes: inout FieldNotes) throws(FieldProblem) {
        let path = FieldPath("addressType")
        if text.isEmpty { throw FieldProblem(path, "is missing") }
        addressFamily = notes.keep(try FieldRule.choice(text, AddressType.self, at: path))?.family
    }

    /// Takes over the annotation with the weight. What is no weight is left out with a note, as if there were no annotation.
    ///
    /// - Parameter text: the annotation's value; nil if it is no text.
    package mutating func setWeight(_ text: String?, _ notes: inout FieldNotes) {
        func path() -> FieldPath { FieldPath("metadata", "annotations").field(Self.weightAnnotation) }
        guard let text else { return notes.leaveOut(FieldProblem(path(), "must be a text of digits, such as \"10\"")) }
        let digits = text.utf8
        guard (1...5).contains(digits.count), digits.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
            let number = UInt16(text)
        else {
            let message = "must be 0 to 65535, is \(text.quoted); the endpoints weigh \(Self.usualWeight)"
            return notes.leaveOut(FieldProblem(path(), message))
        }
        weight = number
    }

    /// What is doubtful about the slice.
    package var notes: [FieldNote] {
        guard serviceName == nil else { return [] }
        return [
            FieldNote(
                severity: .info, code: "slice-without-service", path: FieldPath("metadata", "labels"),
                message: "has no label kubernetes.io/service-name and so belongs to no Service")
        ]
    }
}

/// Which addresses endpoints of a slice can have.
extension EndpointSlice {
    /// Whether an endpoint of the slice can have the address: a unicast address of its family that other hosts can reach.
    package func canHave(_ address: IPAddress) -> Bool {
        address.family == addressFamily && !address.isLoopback && !address.isUnspecified && !address.isMulticast
            && !address.isBroadcast && !address.isLinkLocal
    }

    /// Whether an endpoint can have the address that a text says; if not, it is left out with a note.
    ///
    /// - Parameters:
    ///   - address: What the text means; the unspecified address if it is none.
    ///   - text: `addresses[0]`; nil if there is none.
    ///   - index: The position in `endpoints`.
    package func accepts(
        _ address: IPAddress, spelled text: String?, _ index: Int, _ notes: inout FieldNotes
    ) -> Bool {
        func path() -> FieldPath { FieldPath("endpoints").entry(index, "addresses") }
        guard let text else {
            notes.leaveOut(FieldProblem(path(), "must have an address"))
            return false
        }
        guard let family = addressFamily, notes.serviceAddress(text, at: path().entry(0)) != nil else { return false }
        if address.family == family { return true }
        notes.leaveOut(FieldProblem(path().entry(0), "\(address) is not of the slice's addressType \(family)"))
        return false
    }
}

/// What the API server's validation says of a ServiceCIDR.
extension ServiceCIDR {
    /// Makes a range of the texts of `spec.cidrs`; what cannot be used is left out with a note. Throws if nothing is left.
    package init(name: String, texts: [String], _ notes: inout FieldNotes) throws(FieldProblem) {
        let field = FieldPath("spec", "cidrs")
        self.init(name: name, cidrs: [])
        for (index, text) in texts.enumerated() {
            let path = field.entry(index)
            guard let block = notes.block(text, at: path) else { continue }
            if cidrs.contains(where: { $0.family == block.family }) {
                notes.leaveOut(
                    FieldProblem(path, "is a second \(block.family) block; there may be one per family"))
            } else {
                cidrs.append(block)
            }
        }
        if cidrs.isEmpty {
            throw notes.firstProblem(below: "cidrs")
                ?? FieldProblem(field, "must have 1 or 2 blocks, has \(texts.count)")
        }
    }
}

/// What becomes of a Node's fields.
extension Node {
    /// Takes over `spec.podCIDRs`, else `spec.podCIDR`.
    package mutating func setPodCIDRs(_ list: [String], single: String, _ notes: inout FieldNotes) {
        for (index, text) in list.enumerated() {
            if let block = notes.block(text, at: FieldPath("spec", "podCIDRs").entry(index)) { podCIDRs.append(block) }
        }
        if podCIDRs.isEmpty, !single.isEmpty, let block = notes.block(single, at: FieldPath("spec", "podCIDR")) {
            podCIDRs = [block]
        }
    }

    /// Takes over an entry of `status.addresses`. API servers do not check these: clouds write names, and addresses with a zone.
    package mutating func addAddress(type: String, _ text: String, _ index: Int, _ notes: inout FieldNotes) {
        guard type == "InternalIP" || type == "ExternalIP" else { return }
        let path = FieldPath("status", "addresses").entry(index, "address")
        guard let address = notes.serviceAddress(text, allowingLinkLocal: true, at: path) else { return }
        if type == "InternalIP" { internalIPs.append(address) } else { externalIPs.append(address) }
    }
}
