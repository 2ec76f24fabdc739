import FuzzKit
import KubernetesModel
import Testing

@testable import ManifestSource

/// Random numbers that are the same in each run.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A file that is edited at random.
struct EditedFile {
    enum Form: CaseIterable { case documents, yamlList, jsonList, spacedJSONList }

    let form: Form
    private var random: SeededNumbers
    private var items: [String] = []
    private var head = ""
    private var tail = ""
    private var separators: [String] = []
    private var lineEnd = "\n"
    /// The text as it is, broken or not.
    private(set) var text = ""
    private var serial = 0

    init(_ form: Form, seed: UInt64) {
        self.form = form
        random = SeededNumbers(state: seed)
        for _ in 0..<12 { insert() }
        render()
    }

    private mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[Int(random.next() % UInt64(choices.count))]
    }

    private mutating func newItem() -> String {
        serial += 1
        let port = pick([80, 81, 443, 0])
        switch form {
        case .documents, .yamlList:
            let more = pick(["", "", "# remark\n", "data: |\n  ---x\n  # no remark\n", "x: 'a\n\n  b'\n"])
            return pick([
                service("ports: [{port: \(port)}]", name: "s\(serial % 30)", more: more),
                slice("addressType: IPv4\nendpoints: [{addresses: [10.0.0.\(serial % 9)]}]"),
                "apiVersion: apps/v1\nkind: Deployment\n", "kind: Service\n",
            ])
        case .jsonList, .spacedJSONList:
            let spec = #"{"ports":[{"port":\#(port)}],"x":["\u00e9]}","\\",{},[],-1.5e3,true,null]}"#
            let gap = form == .jsonList ? "" : pick(["", "\n  ", "\t", " "])
            return pick([
                #"{"apiVersion":"v1",\#(gap)"kind":"Service","metadata":{"name":"s\#(serial % 30)"},\#(gap)"spec":\#(spec)}"#,
                #"{"apiVersion":"apps/v1",\#(gap)"kind":"Deployment"\#(gap)}"#, #"{"kind":\#(gap)"Service"}"#,
                #"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod"}]}"#,
            ])
        }
    }

    private mutating func newSeparator() -> String {
        switch form {
        case .documents: pick(["---\n", "--- # x\n", "---  \n", "---\n# between\n\n", "...\n---\n", "---\n---\n"])
        case .yamlList: "- "
        case .jsonList: ","
        case .spacedJSONList: pick([",", ",\n", " ,\t\n", "\n\n,", ",\n    "])
        }
    }

    private mutating func insert() {
        let place = Int(random.next() % UInt64(items.count + 1))
        items.insert(newItem(), at: place)
        separators.insert(newSeparator(), at: place)
    }

    /// Edits the file once or more, and at times breaks it.
    mutating func edit() {
        for _ in 0..<pick([1, 1, 1, 2, 5]) { editOnce() }
        render()
        if pick([0, 0, 0, 1]) == 1, !text.isEmpty { scratch() }
    }

    private mutating func editOnce() {
        guard items.count > 2 else { return insert() }
        let place = Int(random.next() % UInt64(items.count))
        switch random.next() % 10 {
        case 0, 1: insert()
        case 2, 3:
            items.remove(at: place)
            separators.remove(at: place)
        case 4, 5: items[place] = newItem()
        case 6: items.swapAt(place, Int(random.next() % UInt64(items.count)))
        case 7:
            items.insert(items[place], at: 0)
            separators.insert(newSeparator(), at: 0)
        case 8: separators[place] = newSeparator()
        default:
            lineEnd = pick(["\n", "\n", "\r\n"])
            head = pick(["", "", "\u{FEFF}", "# head\n"])
            tail = pick(["", "", "type", "meta"])
        }
    }

    /// Changes some bytes without regard to what they mean.
    private mutating func scratch() {
        var bytes = Array(text.utf8)
        let place = Int(random.next() % UInt64(bytes.count))
        let junk = pick([
            "", "{", "}", "]", ",", "\"", "\n", "\r", "---\n", "\n--- ", "%", "\n%", "#", "\u{85}", "\u{2028}", ":",
            "\\",
        ])
        bytes.replaceSubrange(place..<min(bytes.count, place + pick([0, 1, 1, 7])), with: Array(junk.utf8))
        text = String(decoding: bytes, as: UTF8.self)
    }

    private mutating func render() {
        switch form {
        case .documents: text = head + zip(separators, items).map { $0 + $1 }.joined()
        case .yamlList:
            let entries = items.map {
                "- " + $0.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n  ")
            }
            text = head + "apiVersion: v1\nkind: List\nitems:\n" + entries.map { $0 + "\n" }.joined()
        case .jsonList, .spacedJSONList:
            var list = ""
            for (index, item) in items.enumerated() { list += (index == 0 ? "" : separators[index]) + item }
            let kind = tail == "type" ? "ServiceList" : "List"
            let meta = tail == "meta" ? #","metadata":{"a":[1]}"# : ""
            text = #"{"apiVersion":"v1","kind":"\#(kind)","items":[\#(list)]\#(meta)}"# + "\n"
        }
        if lineEnd != "\n" { text = text.replacing("\n", with: lineEnd) }
    }
}

@Suite struct IncrementalTests {
    private func outcome(_ decoder: inout ManifestDecoder, _ text: String) -> Result<LoadedFile, ManifestError> {
        do throws(ManifestError) { return .success(try decoder.decode(text)) } catch { return .failure(error) }
    }

    @Test(arguments: EditedFile.Form.allCases, 0..<20)
    func anEditedFileIsDecodedAsANewOne(_ form: EditedFile.Form, _ seed: Int) {
        var file = EditedFile(form, seed: UInt64(seed) &+ Fuzz.seed &* 1000)
        var decoder = ManifestDecoder(path: "f.yaml")
        var good = 0
        let count = Fuzz.rounds(60)
        for round in 0..<count {
            var fresh = ManifestDecoder(path: "f.yaml")
            let expected = outcome(&fresh, file.text)
            let result = outcome(&decoder, file.text)
            #expect(result == expected, "round \(round): \(file.text)")
            if result != expected { return }
            if case .success = result { good += 1 }
            file.edit()
        }
        #expect(good > count / 3)
        Fuzz.report("manifest, \(form), seed \(seed)", count)
    }

    /// The items of a list, cut by the scanner, are what the parser of the whole text sees.
    @Test(arguments: [EditedFile.Form.jsonList, .spacedJSONList], 0..<20)
    func aListInPiecesIsTheListAsAWhole(_ form: EditedFile.Form, _ seed: Int) {
        var file = EditedFile(form, seed: UInt64(seed + 100))
        for _ in 0..<60 {
            var pieces = ManifestDecoder(path: "f.yaml")
            var whole = ManifestDecoder(path: "f.yaml")
            // An escape in the key says the same, but is not cut.
            let text = file.text.replacing("\"items\":", with: "\"it\\u0065ms\":")
            let expected = outcome(&whole, text)
            if case .success = expected { #expect(outcome(&pieces, file.text) == expected, "\(file.text)") }
            file.edit()
        }
    }

    @Test(arguments: EditedFile.Form.allCases, 0..<6)
    func aSetThatFollowsAFileHoldsWhatItHolds(_ form: EditedFile.Form, _ seed: Int) throws {
        let scratch = try Scratch()
        var file = EditedFile(form, seed: UInt64(seed + 200))
        var set = ManifestSet(paths: [scratch("a.yaml")])
        var objects: [ObjectID: ClusterObject] = [:]
        for _ in 0..<40 {
            try scratch.write("a.yaml", file.text)
            let update = set.load()
            for change in update.changes {
                let id = try #require(change.id)
                if case .applied(let object) = change { objects[id] = object } else { objects[id] = nil }
            }
            #expect(objects.values.sorted { $0.id < $1.id } == set.objects.map(\.object))
            var fresh = ManifestSet(paths: [scratch("a.yaml")])
            let expected = fresh.load()
            let looksCut = update.failures.contains { $0.problem.contains("as if it had been cut") }
            if expected.failures.isEmpty, !looksCut {
                let kept = Set(update.findings.filter { $0.code == "kept-last-good" }.map(\.subject))
                #expect(update.findings.filter { $0.code != "kept-last-good" } == expected.findings)
                #expect(set.objects.filter { !kept.contains($0.object.id) } == fresh.objects)
            }
            file.edit()
        }
    }

    @Test func aDirectiveThatIsAddedJoinsTheDocuments() throws {
        var decoder = ManifestDecoder(path: "f.yaml")
        let pod = "---\nkind: Pod\napiVersion: v1\n"
        #expect(try decoder.decode(pod + "...\n" + pod).skipped.count == 2)
        let tagged = "%TAG !t! tag:yaml.org,2002:\n---\nkind: !t!str 7\napiVersion: v1\n"
        #expect(try decoder.decode(pod + "...\n" + tagged).skipped.map(\.kind) == ["v1 Pod", "v1 7"])
        #expect(try decoder.decode(pod + "...\n" + pod).skipped.map(\.location.line) == [2, 6])
    }

    @Test func onlyWhatTheEditTouchesIsDecoded() throws {
        func json(_ names: [String]) -> String {
            let items = names.map {
                #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"\#($0)"},"spec":{"ports":[{"port":80}]}}"#
            }
            return #"{"apiVersion":"v1","kind":"List","items":["# + items.joined(separator: ",\n") + "]}"
        }
        func yaml(_ names: [String]) -> String {
            names.map { "---\n" + service("ports: [{port: 80}]", name: $0) }.joined()
        }
        let names = (0..<2000).map { "s\($0)" }
        for text in [json, yaml] {
            var decoder = ManifestDecoder(path: "f.yaml")
            func added(_ names: [String]) throws -> Int {
                let bytes = Array(text(names).utf8)
                return try decoder.update(bytes.withUnsafeBytes { FileBytes(copying: $0) }).added.count
            }
            #expect(try added(names) == 2000)
            #expect(try added(names) == 0)
            var edited = names
            edited[1000] = "other"
            #expect(try added(edited) == 1)
            edited[3] = "near-the-beginning"
            edited[1990] = "near-the-end"
            #expect(try added(edited) == 2)
            edited.insert("new", at: 1500)
            edited.remove(at: 20)
            #expect(try added(edited) == 1)
            #expect(try added(edited.dropLast().reversed()) <= 3)
        }
    }
}
