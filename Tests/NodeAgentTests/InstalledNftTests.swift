import FairleadTestKit
import Testing

@testable import NodeAgent

@Suite("The nft that is installed, seen from outside")
struct InstalledNftTests {
    @Test("a library that knows flags of tables but not persist is told apart; none, and others, are passed over")
    func libraries() throws {
        let directory = try TemporaryDirectory()
        func find(_ content: String) throws -> String? {
            try directory.write(content, to: "libnftables.so.1")
            return InstalledNft.withoutPersist(in: ["\(directory.path)/none", "\(directory.path)/lib*.so.1"])
        }
        let path = "\(directory.path)/libnftables.so.1"
        #expect(try find("x\0dormant\0owner\0persistent\0") == path)
        #expect(try find("x\0dormant\0owner\0persist\0") == nil)
        #expect(try find("x\0dormant\0owner\0persist") == path)
        #expect(try find("") == nil)
        #expect(try find("something else\0") == nil)
        #expect(InstalledNft.withoutPersist(in: ["\(directory.path)/none"]) == nil)
    }
}
