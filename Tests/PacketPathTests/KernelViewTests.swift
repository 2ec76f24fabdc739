import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import ServiceDataplane
import Testing

/// The kernel's table in place of the wanted one.
@Suite("Explanations of what the kernel has")
struct KernelViewTests {
    private func observed(_ table: TableState) -> ObservedTable {
        var observed = ObservedTable()
        observed.exists = true
        observed.sets = Set(table.schema.sets.map(\.name))
        observed.chains = Set(table.schema.chains.map(\.name))
        for (set, elements) in table.elements {
            observed.elements[set] = ObservedElements(
                Dictionary(uniqueKeysWithValues: elements.map { ($0.key, ObservedElement(of: $0)) }))
        }
        return observed
    }

    private func compare(_ change: (inout ObservedTable) -> Void) throws -> Explanation {
        let (situation, tables) = Cluster((web(), [try endpoint("10.128.2.5", on: "b")])).situation()
        let packet = try Question(from: "external", to: "10.250.0.1:80").packet(in: situation)
        var table = observed(tables[0])
        change(&table)
        let view = KernelView(table, tables[0].schema, remembered: [:])
        var explanation = Explainer(situation, view.ruleset).explain(packet)
        explanation.compare(
            with: Explainer(situation, Ruleset(tables[0])).explain(packet),
            doubts: view.doubts(about: explanation.outcomes))
        return explanation
    }

    @Test("a kernel with the wanted table agrees")
    func same() throws {
        let explanation = try compare { _ in }
        #expect(explanation.agrees == true && explanation.verdict == .reaches)
    }

    @Test("another endpoint, another policy or no table is a difference")
    func differences() throws {
        #expect(try compare { $0.elements[.endpoints] = nil }.agrees == false)
        #expect(try compare { $0.elements[.masqueradeExternal] = nil }.agrees == false)
        let none = try compare { $0 = ObservedTable() }
        #expect(none.agrees == false && none.verdict == .untouched)
    }

    @Test("what the packet does not pass is no doubt, what it passes is one")
    func doubts() throws {
        #expect(try compare { $0.differingRules = ["external-local"] }.agrees == true)
        #expect(try compare { $0.differingRules = ["services"] }.agrees == false)
        #expect(try compare { $0.chains.remove("nat-postrouting") }.agrees == false)
        #expect(try compare { $0.chains.insert("mine") }.agrees == false)
        #expect(try compare { $0.differingSets = ["hairpin"] }.agrees == false)
        #expect(try compare { $0.differingSets = ["drop-services"] }.agrees == true)
    }
}
