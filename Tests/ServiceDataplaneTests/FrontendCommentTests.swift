import KubernetesModel
import Netfilter
import NetworkTypes
import Testing

@testable import ServiceDataplane

@Suite struct FrontendCommentTests {
    @Test(
        "what is written is read",
        arguments: [
            ("default", "web", "http", "default/web:http"), ("a", "b", "", "a/b"), ("a", "b.c", "p-1", "a/b.c:p-1"),
        ])
    func roundTrip(_ namespace: String, _ name: String, _ port: String, _ text: String) {
        let comment = FrontendComment(ObjectKey(namespace: namespace, name: name), port: port)
        #expect(comment.text == text)
        #expect(FrontendComment(text) == comment)
    }

    @Test("the longest names leave the Service whole, and cut the port's")
    func longestNames() throws {
        let service = ObjectKey(
            namespace: String(repeating: "n", count: 63), name: String(repeating: "s", count: 63))
        let comment = FrontendComment(service, port: "http")
        #expect(comment.text.utf8.count == Element.commentCapacity - 1)
        #expect(try #require(FrontendComment(comment.text)).service == service)
        let shorter = ObjectKey(namespace: "n", name: String(repeating: "s", count: 63))
        let cut = try #require(
            FrontendComment(FrontendComment(shorter, port: String(repeating: "p", count: 63)).text))
        #expect(cut.service == shorter)
        #expect(cut.port == String(repeating: "p", count: 61))
    }

    @Test("a comment of somebody else is none of a frontend") func none() {
        #expect(FrontendComment("sources in the cluster") == nil)
    }

    @Test("the sets of a kind of pools are those that the schema declares")
    func memberSets() {
        let schema = TableSchema(
            family: .ipv4, options: DataplaneOptions(), largestExponent: PoolSize.largestExponent)
        let names = Set(schema.sets.map(\.name))
        for kind in PoolKind.allCases {
            let expected = names.filter { name in
                name.hasPrefix("\(kind.name)-") && name.dropFirst(kind.name.count + 1).allSatisfy(\.isNumber)
            }
            #expect(Set(kind.memberSetNames) == expected)
        }
    }
}
