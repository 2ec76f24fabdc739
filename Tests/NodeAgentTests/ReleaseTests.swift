import NodeAgent
import Testing

@Suite struct ReleaseTests {
    @Test("a build that was told its commit says it, another one says that it is of development")
    func describe() {
        #expect(Release.describe("1.2.3", commit: "0f26c11d5a3e") == "1.2.3 (0f26c11d5a3e)")
        #expect(Release.describe("1.2.3", commit: "") == "1.2.3 (development)")
        #expect(Release.description.hasPrefix("\(Release.version) ("))
    }
}
