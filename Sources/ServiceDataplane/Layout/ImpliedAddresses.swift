import Netfilter

extension ObservedTable {
    /// Adds the addresses of frontends that the table serves, where `SetID.frontendAddresses` does not list them, as if they stood
    /// elsewhere: a version before that set has filled the table, or the change from it was broken off. So who leaves a Service as it
    /// is keeps its addresses with it.
    public var withImpliedAddresses: ObservedTable {
        let listed = elements[.frontendAddresses] ?? [:]
        let sources = [SetID.clusterIPs, .externalAddresses, .nodePortAddresses].compactMap { elements[$0] }
        if listed.count >= sources.reduce(0, { $0 + $1.count }) { return self }
        var missing: [ElementKey: ObservedElement] = [:]
        for key in sources.flatMap(\.keys) where listed.position(of: key) == nil {
            missing[key] = ObservedElement(of: Element(key))
        }
        if missing.isEmpty { return self }
        var table = self
        table.formerElements[.frontendAddresses] = ObservedElements(missing)
        return table
    }

    /// Adds those to the addresses that are listed.
    public var withAllAddresses: ObservedTable {
        guard let former = formerElements[.frontendAddresses], let listed = elements[.frontendAddresses] else {
            return self
        }
        var table = self
        var all: [ElementKey: ObservedElement] = [:]
        for key in former.keys.map({ $0 }) + listed.keys { all[key] = ObservedElement(of: Element(key)) }
        table.elements[.frontendAddresses] = ObservedElements(all)
        return table
    }
}
