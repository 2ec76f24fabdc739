import KubernetesModel
import Netfilter
import NetworkTypes
import PacketPath
import Testing

/// A packet that passes while a transaction takes effect sees one set as it was and the next one as it is. See
/// findings/nft-packet-sees-two-generations.sh.
@Suite("A packet in the moment of a change")
struct ChangeTests {
    private static func tables(_ count: Int, _ policy: Service.TrafficPolicy) throws -> (Situation, TableState) {
        var ends: [Endpoint] = []
        for number in 1...count { ends.append(try endpoint("10.128.1.\(number)", on: "a")) }
        for number in 1...3 { ends.append(try endpoint("10.128.2.\(number)", on: "b")) }
        let (situation, tables) = Cluster((web { $0.externalTrafficPolicy = policy }, ends)).situation()
        return (situation, try #require(tables.first { $0.schema.family == .ipv4 }))
    }

    /// Callers from outside, in a pod and on the node; a ClusterIP, an external and a load balancer IP, a node port.
    private static let ways = ["192.0.2.7", "10.128.2.9", "172.30.0.11"].flatMap { from in
        ["10.96.0.1:80", "10.251.0.1:80", "10.250.0.1:80", "172.30.0.11:30080"].map { (from, $0) }
    }

    /// What becomes of packets whose rules are those of one table and whose elements, from some rule on, those of another, as far as they
    /// should reach an endpoint and do not.
    private static func lost(
        _ situation: Situation, _ policy: Service.TrafficPolicy, from before: Ruleset, to after: Ruleset
    ) throws -> [String] {
        var interpreter = Interpreter(before, ownAddresses: situation.ownAddresses)
        var (result, moments) = ([String](), 0)
        for (from, to) in ways {
            let packet = try Question(from: from, to: to).packet(in: situation)
            // Local policy holds for who calls from outside the cluster.
            let isLocal = policy == .local && from == ways[0].0 && to != ways[0].1
            interpreter.change = nil
            let compared = try #require(interpreter.outcomes(of: packet).map(\.rulesCompared).max())
            for moment in 0...compared + 20 {
                interpreter.change = Interpreter.Change(to: after, afterRules: moment)
                let lost = interpreter.outcomes(of: packet).filter { outcome in
                    guard outcome.reachesEndpoint, let (address, _) = outcome.destination else { return true }
                    return isLocal && !"\(address)".hasPrefix("10.128.1.")
                }
                result += lost.map { "\(from) to \(to), after \(moment) rules: \($0.fate)" }
                moments += 1
            }
        }
        #expect(moments > ways.count * 20)
        return result
    }

    @Test(
        "reaches an endpoint, whichever looks come before it",
        arguments: [(20, 1), (20, 9), (5, 4), (3, 2), (1, 20), (4, 5)], [Service.TrafficPolicy.cluster, .local])
    func changes(_ counts: (Int, Int), _ policy: Service.TrafficPolicy) throws {
        let (situation, before) = try Self.tables(counts.0, policy)
        let (_, after) = try Self.tables(counts.1, policy)
        #expect(try Self.lost(situation, policy, from: Ruleset(before), to: Ruleset(after)) == [])
    }

    @Test(
        "reaches an endpoint in a pool that needs rules which its own do not have yet: these come first, by themselves")
    func growth() throws {
        let (situation, before) = try Self.tables(50, .cluster)
        let (_, after) = try Self.tables(70, .cluster)
        try #require(before.schema.sets.count < after.schema.sets.count)
        let middle = TableState(schema: after.schema, elements: before.elements)
        #expect(try Self.lost(situation, .cluster, from: Ruleset(before), to: Ruleset(middle)) == [])
        #expect(try Self.lost(situation, .cluster, from: Ruleset(middle), to: Ruleset(after)) == [])
        // What both in one transaction would do.
        #expect(try Self.lost(situation, .cluster, from: Ruleset(before), to: Ruleset(after)) != [])
    }
}
