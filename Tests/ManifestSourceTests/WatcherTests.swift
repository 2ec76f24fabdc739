import Foundation
import KubernetesModel
import NetworkTypes
import Testing

@testable import ManifestSource

/// A directory that goes when the test ends.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "fairlead-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file in place.
    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: self(name)))
    }

    /// Writes a file aside and renames it into place.
    func replace(_ name: String, _ text: String) throws {
        try write(name + ".tmp", text)
        try move(name + ".tmp", name)
    }

    func move(_ from: String, _ to: String) throws {
        #expect(rename(self(from), self(to)) == 0)
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: self(name)) }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: self(name), withDestinationPath: target)
    }

    func makeDirectory(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: self(name), withIntermediateDirectories: false)
    }
}

/// A Service with this cluster IP.
private func web(_ address: String = "10.96.0.1", name: String = "web") -> String {
    service("clusterIP: \(address)\nports: [{port: 80}]", name: name)
}

/// What a consumer of a watcher sees.
private struct Consumer {
    let watcher: ManifestWatcher
    private var iterator: ManifestUpdates.AsyncIterator
    /// The cluster IPs in force, by name.
    private(set) var addresses: [String: String] = [:]
    private(set) var last = ManifestUpdate()

    init(_ paths: String...) {
        watcher = ManifestWatcher(paths: paths)
        iterator = watcher.updates.makeAsyncIterator()
    }

    /// Waits for the next update.
    mutating func next() async throws {
        last = try #require(await iterator.next())
        for change in last.changes {
            switch change {
            case .applied(.service(let service)):
                addresses[service.key.name] = service.clusterIPs.first?.description ?? ""
            case .applied(let object): addresses[object.id.key.name] = ""
            case .deleted(let id): addresses[id.key.name] = nil
            case .retained: Issue.record("manifests tell what goes, not what stays")
            }
        }
    }

    /// Waits for the end of the sequence.
    mutating func end() async -> ManifestUpdate? { await iterator.next() }

    var failures: [String] { last.failures.map(\.problem) }
    var findings: [String] { last.findings.map(\.code) }
}

@Suite(.timeLimit(.minutes(1))) struct WatcherTests {
    @Test func aRenamedFileIsVisibleAtOnce() async throws {
        let scratch = try Scratch()
        try scratch.write("a.yaml", web())
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.1"])
        #expect(consumer.last.isComplete)
        var fastest = Duration.seconds(1)
        for round in 2...20 {
            try scratch.write("a.tmp", web("10.96.0.\(round)"))
            let start = ContinuousClock.now
            try scratch.move("a.tmp", "a.yaml")
            try await consumer.next()
            fastest = min(fastest, .now - start)
            #expect(consumer.addresses == ["web": "10.96.0.\(round)"])
        }
        // A delay of any sort would show; the machine may be busy, so the best of many rounds counts.
        // A program under a sanitizer is none to take the time of.
        let isSlowed = ProcessInfo.processInfo.environment["FAIRLEAD_TIME_FACTOR"] != nil
        #expect(fastest < .milliseconds(20) || isSlowed, "took \(fastest)")
    }

    @Test func aFileWrittenInPlaceIsReadWhenItIsClosed() async throws {
        let scratch = try Scratch()
        try scratch.write("a.yaml", web() + "---\n" + web("10.96.0.2", name: "two"))
        var consumer = Consumer(scratch("a.yaml"))
        try await consumer.next()
        #expect(consumer.addresses.count == 2)
        let file = try #require(fopen(scratch("a.yaml"), "w"))
        fputs(web("10.96.0.3") + "---\n", file)
        fflush(file)
        // Half of the file is there, and something else happens meanwhile.
        try scratch.write("other.yaml", web())
        try await Task.sleep(for: .milliseconds(50))
        fputs(web("10.96.0.4", name: "two"), file)
        fclose(file)
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.3", "two": "10.96.0.4"])
        #expect(consumer.last.changes.count == 2)
    }

    @Test func onlyObjectsThatDifferAreChanges() async throws {
        let scratch = try Scratch()
        try scratch.write("a.yaml", web() + "---\n" + web("10.96.0.2", name: "two"))
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        try scratch.replace("a.yaml", web("10.96.0.9") + "---\n# moved\n" + web("10.96.0.2", name: "two"))
        try await consumer.next()
        #expect(consumer.last.changes.map(\.id?.key.name) == ["web"])
    }

    @Test func deletedAndRenamedFilesTakeTheirObjectsWithThem() async throws {
        let scratch = try Scratch()
        try scratch.write("a.yaml", web())
        try scratch.write("b.yaml", web("10.96.0.2", name: "two"))
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        try scratch.remove("a.yaml")
        try await consumer.next()
        #expect(consumer.addresses == ["two": "10.96.0.2"])
        try scratch.move("b.yaml", "b.off")
        try await consumer.next()
        #expect(consumer.addresses.isEmpty)
        #expect(consumer.last.isComplete)
    }

    @Test func anInvalidFileKeepsItsLastGoodVersion() async throws {
        let scratch = try Scratch()
        try scratch.write("a.yaml", web())
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        try scratch.replace("a.yaml", "a: [\n")
        try await consumer.next()
        #expect(consumer.failures == ["did not find expected node content (while parsing a flow node from line 2)"])
        #expect(consumer.last.changes.isEmpty)
        #expect(consumer.last.isComplete)
        // The same content again is no news; the next update is the mended file's.
        try scratch.replace("a.yaml", "a: [\n")
        try scratch.replace("a.yaml", web("10.96.0.2"))
        try await consumer.next()
        #expect(consumer.failures.isEmpty)
        #expect(consumer.addresses == ["web": "10.96.0.2"])
    }

    @Test func aFileThatLooksCutKeepsItsLastGoodVersion() async throws {
        let scratch = try Scratch()
        let both = web() + "---\n" + web("10.96.0.2", name: "two")
        try scratch.write("a.yaml", both)
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        // A whole document and a half, which is YAML and even an object; and nothing at all.
        let half = web() + "---\n" + web("10.96.0.3", name: "two").dropLast(1)
        for (text, end) in [(half, "ends within a line"), ("", "is empty")] {
            try scratch.write("a.yaml", text)
            try await consumer.next()
            #expect(consumer.failures == ["\(end), as if it had been cut (is the disk full?)"])
            #expect(consumer.addresses == ["web": "10.96.0.1", "two": "10.96.0.2"])
            #expect(consumer.last.isComplete)
        }
        // Whoever means it says so with a line.
        try scratch.replace("a.yaml", "# no more\n")
        try await consumer.next()
        #expect(consumer.addresses.isEmpty && consumer.failures.isEmpty)
        // Of a file that never ended with one, the end says nothing.
        try scratch.replace("b.yaml", String(both.dropLast(1)))
        try await consumer.next()
        try scratch.replace("b.yaml", String(half))
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.1", "two": "10.96.0.3"])
    }

    @Test func anInvalidObjectKeepsItsLastGoodVersion() async throws {
        let scratch = try Scratch()
        try scratch.write("a.yaml", web() + "---\n" + web("10.96.0.2", name: "two"))
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        try scratch.replace("a.yaml", web("10.96.0.300") + "---\n" + web("10.96.0.3", name: "two"))
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.1", "two": "10.96.0.3"])
        #expect(consumer.findings == ["invalid-object", "kept-last-good"])
        // A fault in the name itself does not delete the object either.
        try scratch.replace("a.yaml", web(name: "123") + "---\n" + web("10.96.0.4", name: "two"))
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.1", "two": "10.96.0.4"])
        #expect(consumer.findings == ["invalid-object", "kept-last-good"])
        try scratch.replace("a.yaml", web("10.96.0.5"))
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.5"])
        #expect(consumer.findings.isEmpty)
    }

    @Test func aSetWithAFileThatWasNeverGoodIsNotComplete() async throws {
        let scratch = try Scratch()
        try scratch.write("a.yaml", web())
        try scratch.write("b.yaml", "{")
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        #expect(!consumer.last.isComplete)
        #expect(consumer.failures.count == 1)
        #expect(consumer.addresses.count == 1)
        try scratch.replace("b.yaml", web("10.96.0.2", name: "two"))
        try await consumer.next()
        #expect(consumer.last.isComplete)
        #expect(consumer.addresses.count == 2)
    }

    @Test func aConfigMapVolumeIsFollowed() async throws {
        let scratch = try Scratch()
        try scratch.makeDirectory("..1")
        try scratch.write("..1/a.yaml", web())
        try scratch.link("..data", to: "..1")
        try scratch.link("a.yaml", to: "..data/a.yaml")
        var directory = Consumer(scratch.path)
        var file = Consumer(scratch("a.yaml"))
        try await directory.next()
        try await file.next()
        // As kubelet does it.
        try scratch.makeDirectory("..2")
        try scratch.write("..2/a.yaml", web("10.96.0.2"))
        try scratch.link("..data_tmp", to: "..2")
        try scratch.move("..data_tmp", "..data")
        try scratch.remove("..1")
        try await directory.next()
        try await file.next()
        #expect(directory.addresses == ["web": "10.96.0.2"])
        #expect(file.addresses == ["web": "10.96.0.2"])
    }

    @Test func aFileThatDoesNotExistYetIsAwaited() async throws {
        let scratch = try Scratch()
        var consumer = Consumer(scratch("a.yaml"))
        try await consumer.next()
        #expect(!consumer.last.isComplete)
        #expect(consumer.failures == ["cannot be read: No such file or directory"])
        try scratch.replace("a.yaml", web())
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.1"])
        #expect(consumer.last.isComplete)
        try scratch.remove("a.yaml")
        try await consumer.next()
        #expect(consumer.addresses.isEmpty)
        try scratch.link("a.yaml", to: scratch("b.yaml.new"))
        try scratch.write("b.yaml.new", web("10.96.0.2"))
        try scratch.replace("a.yaml", web("10.96.0.3"))
        while consumer.addresses != ["web": "10.96.0.3"] { try await consumer.next() }
    }

    @Test func aDirectoryThatGoesAndComesBackIsFollowed() async throws {
        let scratch = try Scratch()
        try scratch.makeDirectory("m")
        try scratch.write("m/a.yaml", web())
        var consumer = Consumer(scratch("m"))
        try await consumer.next()
        try scratch.move("m", "gone")
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.1"])
        #expect(consumer.failures == ["cannot be read: No such file or directory; its objects stay in force"])
        try scratch.write("gone/a.yaml", web("10.96.0.7"))
        try scratch.makeDirectory("m")
        try scratch.write("m/a.yaml", web("10.96.0.2"))
        while consumer.addresses != ["web": "10.96.0.2"] { try await consumer.next() }
        try scratch.replace("m/a.yaml", web("10.96.0.3"))
        while consumer.addresses != ["web": "10.96.0.3"] { try await consumer.next() }
    }

    @Test func theFirstDefinitionInPathOrderWins() async throws {
        let scratch = try Scratch()
        try scratch.write("b.yaml", web())
        var consumer = Consumer(scratch.path)
        try await consumer.next()
        try scratch.replace("c.yaml", web("10.96.0.3") + "---\n" + web("10.96.0.4"))
        try await consumer.next()
        #expect(consumer.last.changes.isEmpty)
        #expect(
            consumer.last.findings.map(\.description) == [
                "\(scratch("c.yaml")):8: Service default/web: is also defined at \(scratch("c.yaml")):1, which wins; "
                    + "remove one of the two",
                "\(scratch("c.yaml")):1: Service default/web: is also defined at \(scratch("b.yaml")):1, which wins; "
                    + "remove one of the two",
            ])
        try scratch.replace("a.yaml", web("10.96.0.2"))
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.2"])
        try scratch.remove("a.yaml")
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.1"])
        try scratch.remove("b.yaml")
        try await consumer.next()
        #expect(consumer.addresses == ["web": "10.96.0.3"])
        #expect(consumer.findings == ["duplicate-object"])
    }

    @Test func filesThatAreNotManifestsAreIgnored() throws {
        let names = [
            "a.yaml", "b.yml", "c.json", ".d.yaml", "e.yaml~", "#f.yaml#", "g.yaml.swp", "h.tmp", "4913", "i.txt",
        ]
        #expect(names.filter(FileSystem.isManifestName) == ["a.yaml", "b.yml", "c.json"])
    }

    @Test func unfetchedUpdatesAreFoldedIntoOne() {
        let mailbox = ManifestMailbox()
        let id = ObjectID(kind: .node, key: ObjectKey(name: "n"))
        for round in 0..<1000 {
            var update = ManifestUpdate()
            update.changes = round % 2 == 0 ? [.applied(.node(Node(name: "n")))] : [.deleted(id)]
            update.failures = [ManifestError(path: "f", problem: "\(round)")]
            mailbox.post(update)
        }
        let folded = mailbox.take()
        #expect(folded?.changes == [.deleted(id)])
        #expect(folded?.failures.map(\.problem) == ["999"])
        #expect(mailbox.take() == nil)
    }

    @Test func stoppingAndCancellingEndTheSequence() async throws {
        let scratch = try Scratch()
        var stopped = Consumer(scratch.path)
        try await stopped.next()
        stopped.watcher.stop()
        #expect(await stopped.end() == nil)
        let updates = ManifestWatcher(paths: [scratch.path]).updates
        let task = Task {
            var count = 0
            for await _ in updates { count += 1 }
            return count
        }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        #expect(await task.value == 1)
    }
}
