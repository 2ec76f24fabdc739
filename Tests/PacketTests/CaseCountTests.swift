import FairleadTestKit
import Glibc
import NetworkTypes
import Testing

@Suite struct CaseCountTests {
    private static func documentation() throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()
        let file = try #require(fopen("\(root)/docs/semantics.md", "r"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("docs/semantics.md says how many cases the tables of scenarios hold")
    func count() throws {
        let cases = PacketTable.all.flatMap(\.cases).map(\.expectation)
        let inBoth = cases.filter { $0.families == IPFamily.allCases }
        let connections = cases.map { $0.sources.count * $0.targets.count * $0.transports.count * $0.families.count }
        let modes = Mode.allCases.count
        let sentence =
            "**\(cases.count * modes) cases**, \(inBoth.count * modes) of them in both families; "
            + "\((connections.reduce(0, +) * modes).grouped) ways of a connection."
        #expect(try Self.documentation().replacing("\n", with: " ").contains(sentence), "\(sentence)")
    }
}

extension Int {
    /// `10,000`, below a million.
    fileprivate var grouped: String {
        let rest = String(self % 1000)
        return self < 1000 ? rest : "\(self / 1000),\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}
