import DataplaneTestKit
import KubernetesModel
import KubernetesWire
import Testing

@testable import KubernetesClient

@Suite("UpdateMailbox")
struct UpdateMailboxTests {
    private static func id(_ name: String, _ kind: ObjectID.Kind = .service) -> ObjectID {
        ObjectID(kind: kind, key: ObjectKey(namespace: "default", name: name))
    }

    private static func object(_ name: String, port: UInt16 = 0) -> ClusterObject {
        var service = Service(key: id(name).key)
        service.healthCheckNodePort = port
        return .service(service)
    }

    private static func news(_ name: String, port: UInt16 = 0) -> ReflectorMachine.News {
        .object(WireObject(id: id(name), resourceVersion: "1", object: object(name, port: port)))
    }

    /// An object that is invalid.
    private static func nonsense(_ name: String) -> ReflectorMachine.News {
        var decoded = WireObject(id: id(name), resourceVersion: "1")
        var finding = Finding(.error, code: "invalid-object", subject: id(name), message: "is invalid")
        finding.heldService = id(name).key
        decoded.findings = [finding]
        return .object(decoded)
    }

    private static func mailbox(_ kinds: Set<ObjectID.Kind> = [.service], limit: Int = 100) -> UpdateMailbox {
        UpdateMailbox(kinds, limit: limit)
    }

    @Test("Nothing is ready before every kind was listed once")
    func readiness() {
        let mailbox = Self.mailbox([.service, .node, .serviceCIDR])
        #expect(mailbox.take() == nil)
        mailbox.post([Self.news("a"), .complete([Self.id("a").key])], of: .service)
        #expect(mailbox.take()?.readiness == .loading)
        mailbox.post([.complete([])], of: .node)
        #expect(mailbox.take()?.readiness == .loading)
        mailbox.post([.absent], of: .serviceCIDR)
        #expect(mailbox.take()?.readiness == .complete)
        mailbox.post([.absent], of: .serviceCIDR)
        #expect(mailbox.take() == nil)
    }

    @Test("The last change of an object counts")
    func latest() throws {
        let mailbox = Self.mailbox()
        mailbox.post([Self.news("a", port: 1), Self.news("b"), Self.news("a", port: 2)], of: .service)
        mailbox.post([.deleted(Self.id("b"))], of: .service)
        let update = try #require(mailbox.take())
        #expect(Set(update.changes) == [.applied(Self.object("a", port: 2)), .deleted(Self.id("b"))])
        #expect(mailbox.take() == nil)
    }

    @Test("What comes after a complete list changes what it says")
    func afterList() throws {
        let mailbox = Self.mailbox()
        mailbox.post(
            [Self.news("old"), Self.news("a"), .complete([Self.id("a").key, Self.id("b").key])], of: .service)
        mailbox.post([Self.news("new"), .deleted(Self.id("b"))], of: .service)
        let update = try #require(mailbox.take())
        #expect(
            Set(update.changes.dropLast()) == [
                .applied(Self.object("a")), .applied(Self.object("new")), .deleted(Self.id("b")),
            ])
        #expect(update.changes.last == .retained(.service, [Self.id("a").key, Self.id("new").key]))
    }

    @Test("An object that is invalid is held until it is mended, deleted, or missing in a list", arguments: 0..<3)
    func findings(end: Int) throws {
        let mailbox = Self.mailbox()
        mailbox.post([Self.nonsense("a"), .complete([Self.id("a").key])], of: .service)
        let first = try #require(mailbox.take())
        #expect(first.heldServices == [Self.id("a").key])
        #expect(first.findings.map(\.code) == ["invalid-object"])
        #expect(first.changes == [.retained(.service, [Self.id("a").key])])
        // Nothing new: no update.
        mailbox.post([Self.nonsense("a")], of: .service)
        #expect(mailbox.take() == nil)
        mailbox.post([Self.news("b")], of: .service)
        #expect(mailbox.take()?.heldServices == [Self.id("a").key])
        switch end {
        case 0: mailbox.post([Self.news("a")], of: .service)
        case 1: mailbox.post([.deleted(Self.id("a"))], of: .service)
        default: mailbox.post([.complete([Self.id("b").key])], of: .service)
        }
        let last = try #require(mailbox.take())
        #expect(last.heldServices.isEmpty)
        #expect(last.findings.isEmpty)
    }

    @Test("However updates are folded, the consumer ends up with what the server has", arguments: 1...40)
    func folding(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let mailbox = Self.mailbox(limit: 1000)
        var server: [ObjectID: ClusterObject] = [:]
        var view: [ObjectID: ClusterObject] = [:]
        let names = (0..<6).map { "service-\($0)" }
        func take() {
            guard let update = mailbox.take() else { return }
            for (index, change) in update.changes.enumerated() {
                switch change {
                case .applied(let object): view[object.id] = object
                case .deleted(let id): view[id] = nil
                case .retained(_, let keys):
                    #expect(index == update.changes.count - 1)
                    view = view.filter { keys.contains($0.key.key) }
                }
            }
        }
        for _ in 0..<300 {
            let name = names[Int.random(in: 0..<names.count, using: &random)]
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let port = UInt16.random(in: 0...9, using: &random)
                server[Self.id(name)] = Self.object(name, port: port)
                mailbox.post([Self.news(name, port: port)], of: .service)
            case 4..<6:
                server[Self.id(name)] = nil
                mailbox.post([.deleted(Self.id(name))], of: .service)
            case 6:
                // The watch was down meanwhile; then a list.
                for name in names {
                    server[Self.id(name)] =
                        Bool.random(using: &random)
                        ? Self.object(name, port: UInt16.random(in: 0...9, using: &random)) : nil
                }
                for object in server.values {
                    let decoded = WireObject(id: object.id, resourceVersion: "1", object: object)
                    mailbox.post([.object(decoded)], of: .service)
                    if Int.random(in: 0..<4, using: &random) == 0 { take() }
                }
                mailbox.post([.complete(Set(server.keys.map(\.key)))], of: .service)
            default: take()
            }
        }
        take()
        #expect(view == server)
    }

    @Test("Past the limit producers wait until the consumer has taken", .timeLimit(.minutes(1)))
    func backPressure() async {
        let mailbox = Self.mailbox(limit: 2)
        mailbox.post([Self.news("a")], of: .service)
        await mailbox.room()
        mailbox.post([Self.news("b")], of: .service)
        let waits = Task { await mailbox.room() }
        let isCancelled = Task { await mailbox.room() }
        isCancelled.cancel()
        await isCancelled.value
        try? await Task.sleep(for: .milliseconds(20))
        #expect(mailbox.take()?.changes.count == 2)
        await waits.value
        mailbox.post([Self.news("a"), Self.news("b")], of: .service)
        let closed = Task { await mailbox.room() }
        mailbox.close()
        await closed.value
    }

    @Test("The sequence ends when the mailbox is closed, after what waits", .timeLimit(.minutes(1)))
    func end() async {
        let mailbox = Self.mailbox()
        var iterator = ClusterUpdates(mailbox: mailbox).makeAsyncIterator()
        mailbox.post([Self.news("a")], of: .service)
        mailbox.close()
        #expect(await iterator.next()?.changes.count == 1)
        #expect(await iterator.next() == nil)
    }
}
