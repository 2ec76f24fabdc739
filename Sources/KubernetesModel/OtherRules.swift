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

    /// Throws if two ports have the same name.
    package func checkPorts() throws(FieldProblem) {
        guard ports.count > 1 else { return }
        var names: Set<String> = []
        for (index, port) in ports.enumerated() where !names.insert(port.name).inserted {
            let message =
                port.name.isEmpty ? "only one port may go without a name" : "\(port.name.quoted) stands twice"
            throw FieldProblem(FieldPath("ports").entry(index, "name"), message)
        }
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

extension FieldRule {
    /// Throws if no endpoint of a slice of the family can have the address.
    package static func checkEndpointAddress(
        _ address: IPAddress, of family: IPFamily, at path: @autoclosure () -> FieldPath = FieldPath()
    ) throws(FieldProblem) {
        try checkServiceAddress(address, at: path())
        if address.family != family {
            throw FieldProblem(path(), "\(address) is not of the slice's addressType \(family)")
        }
    }
}

/// What the API server's validation says of a ServiceCIDR.
extension ServiceCIDR {
    /// Makes a range of the texts of `spec.cidrs`.
    package init(name: String, texts: [String]) throws(FieldProblem) {
        let field = FieldPath("spec", "cidrs")
        guard (1...2).contains(texts.count) else {
            throw FieldProblem(field, "must have 1 or 2 blocks, has \(texts.count)")
        }
        self.init(name: name, cidrs: [])
        for (index, text) in texts.enumerated() {
            let block = try FieldRule.block(text, at: field.entry(index))
            guard let address = text.split(separator: "/").first.flatMap({ IPAddress($0) }), address == block.address
            else {
                throw FieldProblem(field.entry(index), "\(text.quoted) has host bits set; the block is \(block)")
            }
            if cidrs.contains(where: { $0.family == block.family }) {
                throw FieldProblem(
                    field.entry(index), "is a second \(block.family) block; there may be one per family")
            }
            cidrs.append(block)
        }
    }
}
