import Netfilter
import NetworkTypes
import Testing

@Suite("Observed elements")
struct ObservedElementsTests {
    /// Keys that differ in one word each, so that hashes have to take all of them in.
    private static func key(_ number: Int) -> ElementKey {
        var key = ElementKey()
        key[number % 10 * 4] = UInt32(number / 10) &* 0x0100_0193
        return key
    }

    private static func element(_ number: Int) -> ObservedElement {
        ObservedElement(value: key(number / 3), comment: number % 5 == 0 ? "comment \(number)" : nil)
    }

    @Test("Equal a dictionary, however many there are", arguments: [0, 1, 2, 15, 16, 17, 1000, 20_000])
    func dictionary(count: Int) {
        var expected: [ElementKey: ObservedElement] = [:]
        for number in 0..<count { expected[Self.key(number)] = Self.element(number) }
        let found = ObservedElements(expected)
        #expect(found.count == expected.count)
        #expect(found.allSatisfy { expected[$0.key] == $0.value })
        #expect(expected.allSatisfy { found[$0.key] == $0.value })
        #expect((count..<count + 50).allSatisfy { found[Self.key($0)] == expected[Self.key($0)] })
        #expect(Set(found.keys) == Set(expected.keys))
    }

    @Test("The later one of two elements with a key counts, with its comment or without")
    func replacement() {
        var elements = ObservedElements(keyBytes: 12, valueBytes: 8)
        let (key, first, second) = (Self.key(10), Self.key(20), Self.key(30))
        "old".utf8.withContiguousStorageIfAvailable { elements.insert(key, first, comment: UnsafeRawBufferPointer($0)) }
        elements.insert(key, second)
        #expect(elements.count == 1)
        #expect(elements[key] == ObservedElement(value: second, comment: nil))
    }

    @Test("An element is compared by data, end and comment")
    func comparison() throws {
        let (key, data) = (Self.key(10), Self.key(20))
        let elements = ObservedElements([key: ObservedElement(value: data, comment: "a/b:c")])
        let position = try #require(elements.position(of: key))
        #expect(elements.isEqual(at: position, Element(key, data: data, comment: "a/b:c")))
        #expect(elements.isEqual(at: position, Element(key, to: data, comment: "a/b:c")))
        #expect(!elements.isEqual(at: position, Element(key, data: data, comment: "a/b:d")))
        #expect(!elements.isEqual(at: position, Element(key, data: data, comment: "a/b")))
        #expect(!elements.isEqual(at: position, Element(key, data: data)))
        #expect(!elements.isEqual(at: position, Element(key, data: key, comment: "a/b:c")))
    }

    @Test("Collections are equal if their elements are, in whatever order they came")
    func equality() {
        let all = Dictionary(uniqueKeysWithValues: (0..<100).map { (Self.key($0 * 10 + 1), Self.element($0)) })
        var backwards = ObservedElements()
        for (key, element) in all.reversed() {
            var comment = element.comment ?? ""
            comment.withUTF8 {
                backwards.insert(key, element.value, comment: element.comment == nil ? nil : UnsafeRawBufferPointer($0))
            }
        }
        #expect(backwards == ObservedElements(all))
        var other = all
        other[Self.key(1)] = ObservedElement(value: Self.key(77), comment: nil)
        #expect(backwards != ObservedElements(other))
    }

    @Test("Appended elements are found like others", arguments: [1, 17, 3000])
    func appending(count: Int) {
        var expected: [ElementKey: ObservedElement] = [:]
        var found = ObservedElements()
        func append(_ number: Int, to elements: inout ObservedElements) {
            let element = Self.element(number)
            var comment = element.comment ?? ""
            comment.withUTF8 {
                let bytes = element.comment == nil ? nil : UnsafeRawBufferPointer($0)
                elements.append(Self.key(number), element.value, comment: bytes)
            }
        }
        for number in 1...count {
            append(number * 10 + 1, to: &found)
            expected[Self.key(number * 10 + 1)] = Self.element(number * 10 + 1)
        }
        #expect(found.position(of: Self.key(count * 10 + 1)) == count - 1)
        found.finish()
        #expect(expected.allSatisfy { found[$0.key] == $0.value })
        #expect(found[Self.key(12)] == nil)
        #expect(found == ObservedElements(expected))

        // A copy that goes its own way leaves the other as it is.
        var copy = found
        append(15, to: &copy)
        copy.finish()
        #expect(copy[Self.key(15)] == Self.element(15))
        #expect(found[Self.key(15)] == nil)
        found.insert(Self.key(17), Self.key(8))
        found.insert(Self.key(11), Self.key(9))
        #expect(found.count == count + 1)
        #expect(found[Self.key(17)]?.value == Self.key(8))
        #expect(found[Self.key(11)]?.value == Self.key(9))
        #expect(copy[Self.key(17)] == nil)
        #expect(expected.allSatisfy { copy[$0.key] == $0.value })
    }

    @Test("Whether keys are different is told whatever their number", arguments: [0, 1, 2, 300, 40_000])
    func different(count: Int) {
        var keys = KeyRuns(keyBytes: 12)
        func append(_ number: Int) {
            var key = ElementKey()
            key[0] = UInt32(number / 7)
            key[8] = UInt32(number % 7) << 16
            keys.append(key)
        }
        for number in 0..<count { append(number) }
        #expect(keys.areDifferent)
        for repeated in Set([0, count / 2, count - 1]) where (0..<count).contains(repeated) {
            let before = keys
            append(repeated)
            #expect(!keys.areDifferent, "\(repeated)")
            keys = before
        }
    }
}
