import Foundation
import Testing

/// The files of the repository, by their paths from its top.
enum Repository {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

    static func path(_ name: String) -> String { "\(root)/\(name)" }

    static func text(_ name: String) throws -> String {
        String(decoding: try #require(FileManager.default.contents(atPath: path(name))), as: UTF8.self)
    }

    static func lines(_ name: String) throws -> [String] {
        try text(name).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}
