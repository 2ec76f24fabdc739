import KubernetesModel
import ManifestSource
import NetworkTypes

/// kube-proxy's rules for the values of its configuration.
extension ConfigurationDraft {
    /// What is wrong with the values, in the order of the keys; empty if nothing is.
    ///
    /// A configuration that kube-proxy accepts is accepted, but for a `hostnameOverride` that no Node can have: with that
    /// kube-proxy never comes to serve. Fairlead also takes several ranges of one family in
    /// `clusterCIDR`. A mix in `nodePortAddresses` is of kube-proxy 1.37.
    public var problems: [ConfigurationError] {
        var found: [ConfigurationError] = []
        func check(_ key: String, _ message: String?) { if let message { found.append(self.message(key, message)) } }
        let values = configuration
        check("clientConnection.burst", Self.range(values.clientConnection.burst, 0...Int(Int32.max)))
        check("logging.format", Self.choice(values.logging.format, ["text", "json"]))
        check("logging.verbosity", Self.range(values.logging.verbosity, 0...Int(Int32.max)))
        if !values.logging.vmodule.items.isEmpty, values.logging.format != "text" {
            check("logging.vmodule", "needs logging.format text")
        }
        check("hostnameOverride", Self.nodeName(values.hostnameOverride))
        check("bindAddress", IPAddress(values.bindAddress) == nil ? "is no IP address" : nil)
        for (key, address) in [
            ("healthzBindAddress", values.healthzAddress), ("metricsBindAddress", values.metricsAddress),
        ] where !address.isEmpty {
            check(key, HostPort.problem(address).map { "\(address.quoted) \($0)" })
        }
        check("showHiddenMetricsForVersion", Self.version(values.showHiddenMetricsForVersion))
        checkModes(check)
        checkDetection(check)
        checkNode(check)
        return found
    }

    private func checkModes(_ check: (String, String?) -> Void) {
        let values = configuration
        check("mode", Self.choice(values.mode, ["iptables", "ipvs", "nftables"], orEmpty: true))
        check("iptables.masqueradeBit", Self.range(values.iptables.masqueradeBit, 0...31))
        if values.mode == "nftables" {
            check("nftables.masqueradeBit", Self.range(values.nftables.masqueradeBit, 0...31))
        }
        if values.mode == "ipvs" {
            for range in values.ipvs.excludeCIDRs { check("ipvs.excludeCIDRs", Self.cidr(range)) }
            check("ipvs.tcpTimeout", Self.notNegative(values.ipvs.tcpTimeout))
            check("ipvs.tcpFinTimeout", Self.notNegative(values.ipvs.tcpFinTimeout))
            check("ipvs.udpTimeout", Self.notNegative(values.ipvs.udpTimeout))
        }
        let section = values.periodSection
        guard ["iptables", "ipvs", "nftables"].contains(section) else { return }
        check("\(section).syncPeriod", Self.positive(values.syncPeriod))
        check("\(section).minSyncPeriod", Self.notNegative(values.minSyncPeriod))
        if values.syncPeriod.nanoseconds > 0, values.minSyncPeriod.nanoseconds > values.syncPeriod.nanoseconds {
            check(
                "\(section).minSyncPeriod",
                "must not be longer than \(section).syncPeriod, is \(values.minSyncPeriod) against \(values.syncPeriod)"
            )
        }
    }

    private func checkDetection(_ check: (String, String?) -> Void) {
        let values = configuration
        let modes = ["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"]
        check("detectLocalMode", Self.choice(values.detectLocalMode, modes))
        switch values.detectLocalMode {
        case "BridgeInterface":
            check("detectLocal.bridgeInterface", Self.interface(values.detectLocal.bridgeInterface))
        case "InterfaceNamePrefix":
            check("detectLocal.interfaceNamePrefix", Self.interface(values.detectLocal.interfaceNamePrefix))
        case "ClusterCIDR":
            for range in values.clusterCIDR.split(separator: ",", omittingEmptySubsequences: false)
            where !values.clusterCIDR.isEmpty {
                check("clusterCIDR", Self.cidr(range))
            }
        default: break
        }
    }

    private func checkNode(_ check: (String, String?) -> Void) {
        let values = configuration
        for range in values.nodePortAddresses where !["primary", "localhost", "all"].contains(range) {
            check("nodePortAddresses", Self.cidr(range))
        }
        check("oomScoreAdj", Self.range(values.oomScoreAdj, -1000...1000))
        let conntrack = values.conntrack
        check("conntrack.maxPerCore", Self.range(conntrack.maxPerCore, 0...Int(Int32.max)))
        check("conntrack.min", Self.range(conntrack.min, 0...Int(Int32.max)))
        check("conntrack.tcpEstablishedTimeout", Self.timeout(conntrack.tcpEstablishedTimeout))
        check("conntrack.tcpCloseWaitTimeout", Self.timeout(conntrack.tcpCloseWaitTimeout))
        check("conntrack.udpTimeout", Self.timeout(conntrack.udpTimeout))
        check("conntrack.udpStreamTimeout", Self.timeout(conntrack.udpStreamTimeout))
        check("configSyncPeriod", Self.positive(values.configSyncPeriod))
        check("portRange", Self.portRange(values.portRange))
    }

    // MARK: Rules

    private static func range(_ value: Int, _ range: ClosedRange<Int>) -> String? {
        range.contains(value) ? nil : "must be \(range.lowerBound) to \(range.upperBound), is \(value)"
    }

    private static func choice(_ value: String, _ choices: [String], orEmpty: Bool = false) -> String? {
        if choices.contains(value) || orEmpty && value.isEmpty { return nil }
        let list = choices.dropLast().joined(separator: ", ") + " or " + (choices.last ?? "")
        return "must be \(list)\(orEmpty ? ", or empty" : ""), is \(value.quoted)"
    }

    private static func nodeName(_ text: String) -> String? {
        let name = text.trimmingBlanks.lowercased()
        if name.isEmpty || NameRule.subdomain.accepts(name) { return nil }
        let isVariable = ["$", "{{", "%"].contains { name.contains($0) }
        let hint = isVariable ? "; it looks like a variable that nothing has replaced by its value" : ""
        return "\(text.quoted) cannot be the name of a Node: at most 253 of a-z, 0-9, - and .\(hint)"
    }

    private static func cidr(_ text: some StringProtocol) -> String? {
        CIDR(String(text).trimmingBlanks) == nil
            ? "\(String(text).quoted) is not a CIDR such as 10.0.0.0/8" : nil
    }

    private static func positive(_ value: GoDuration) -> String? {
        value.nanoseconds > 0 ? nil : "must be longer than 0, is \(value)"
    }

    private static func notNegative(_ value: GoDuration) -> String? {
        value.nanoseconds >= 0 ? nil : "must not be negative, is \(value)"
    }

    /// The kernel counts whole seconds in 31 bits.
    private static func timeout(_ value: GoDuration) -> String? {
        value.isZero || (1...Int(Int32.max)).contains(value.seconds)
            ? nil : "must be 0, or 1 to \(Int32.max) whole seconds, is \(value)"
    }

    /// The kernel's rule for interface names; quotes would end the text of a rule, a star is its wildcard.
    private static func interface(_ name: String) -> String? {
        if name.isEmpty { return "is missing" }
        let isName = name.utf8.allSatisfy { (33...126).contains($0) && !"\"/*:\\".utf8.contains($0) }
        return isName && name.utf8.count <= 15 ? nil : "\(name.quoted) cannot be the name of an interface"
    }

    private static func version(_ text: String) -> String? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.isEmpty || parts.count == 2 && parts.allSatisfy({ UInt($0) != nil })
            ? nil : "must be a version such as 1.35, is \(text.quoted)"
    }

    /// `300`, `300-400` or `300+100`.
    private static func portRange(_ text: String) -> String? {
        let problem = "must be a range of ports such as 300-2000, is \(text.quoted)"
        if text.isEmpty { return nil }
        let separator = text.first { "-+".contains($0) }
        let parts = text.split(separator: separator ?? "-", omittingEmptySubsequences: false)
        guard parts.count == (separator == nil ? 1 : 2), let low = UInt16(parts[0]),
            let second = UInt16(parts[parts.count - 1])
        else { return problem }
        if separator == "+" { return Int(low) + Int(second) <= 65535 ? nil : problem }
        return low <= second ? nil : problem
    }
}
