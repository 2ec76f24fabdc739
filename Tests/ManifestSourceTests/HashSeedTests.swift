import ManifestSource
import Testing

@Suite("Names of labels that tenants choose")
struct HashSeedTests {
    /// Names that all had the same place in a table of 1,024 under a hash that anybody can compute (FNV-1a), which was used before
    /// hashes had a secret key.
    private static func colliding(_ count: Int) -> [String] {
        var names: [String] = []
        var number = 0
        while names.count < count {
            let name = "k\(number)"
            number += 1
            let hash = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
            if hash & 0x3FF == 0x123 { names.append(name) }
        }
        return names
    }

    @Test(
        "names chosen to collide do not make a map slow to check: hashes have a secret key", arguments: [true, false])
    func collisions(isPlain: Bool) throws {
        let arena = try #require(ManifestArena(onlyLibyaml: !isPlain))
        let text = Self.colliding(300).map { "\($0): x\n" }.joined()
        try Array(text.utf8).withUnsafeBytes { bytes in try arena.parse(bytes) { #expect($0.count == 1) } }
        // Under the former hash: 299. Now a few; that many are an accident of one case in 10^20.
        #expect(arena.longestSearch < 64)
        #expect(arena.usedLibyaml != isPlain)
    }
}
