import Netfilter
import NetworkTypes
import ServicePolicy
import Testing

@testable import NodeAgent

/// The commands that admit what Services lead to endpoints, by what keeps the chain that drops.
struct AdmissionTests {
    private static let target = FirewallLook.Target(
        backend: Backend(address: .v4(IPv4Address(rawValue: 0x0A4D_0102)), port: 8080), transport: .tcp)

    private static func admission(
        _ table: FilterRules.Table, _ chain: String, _ hook: FilterRules.Hook = .forward, others: [String] = []
    ) -> Admission {
        var rules = FilterRules()
        for name in [chain] + others { rules.chains[.init(table, name)] = .init(entry: nil) }
        return Admission(.init(place: .init(table, chain), hook: hook, isPolicy: true), rules)
    }

    @Test("each tool gets its own commands: iptables, ufw, firewalld, nft")
    func tools() {
        let ranges = ["10.77.0.0/16", "fd00::/48"]
        let filter = FilterRules.Table(.ip, "filter")
        #expect(
            Self.admission(filter, "FORWARD").services(ranges, Self.target)
                == ["iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"])
        #expect(
            Self.admission(.init(.ip6, "filter"), "INPUT", .input).ports([32081])
                == ["ip6tables -I INPUT -p tcp -m multiport --dports 32081 -j ACCEPT"])
        let ufw = Self.admission(filter, "FORWARD", others: ["ufw-user-forward"])
        #expect(
            ufw.services(ranges, Self.target) == [
                "ufw route allow to 10.77.0.0/16", "ufw route allow to fd00::/48",
            ])
        #expect(ufw.ports([32081, 32082]) == ["ufw allow proto tcp to any port 32081,32082"])
        #expect(
            Self.admission(filter, "INPUT", .input, others: ["ufw-user-forward"]).services(ranges, Self.target)
                == ["ufw allow 8080"])
        let firewalld = Self.admission(.init(.inet, "firewalld"), "filter_INPUT", .input)
        #expect(
            firewalld.ports([32081]) == ["firewall-cmd --permanent --add-port=32081/tcp", "firewall-cmd --reload"])
        #expect(
            Self.admission(.init(.inet, "mine"), "forward").services([], Self.target)
                == ["nft insert rule inet mine forward ct status dnat accept"])
    }

    @Test("many ports become several rules of iptables, and odd names of chains are quoted for the shell")
    func limits() {
        let many = Self.admission(.init(.ip, "filter"), "INPUT", .input).ports((1...31).map { UInt16($0) })
        #expect(many.count == 3 && many[2].contains("--dports 31 "))
        #expect(
            Self.admission(.init(.inet, "a b"), "c'; d").services([], Self.target)
                == ["nft insert rule inet 'a b' 'c'\\''; d' ct status dnat accept"])
    }
}
