import FairleadTestKit
import Testing

/// The files of the repository, by their paths from its top.
enum Repository {
    /// The top of the repository.
    static let root: String = {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return parts.reduce("") { "\($0)/\($1)" }
    }()

    static func path(_ name: String) -> String { "\(root)/\(name)" }

    /// Runs a program to its end, in a namespace of its own, and returns what it wrote to standard output.
    @discardableResult
    static func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> String {
        var program = Program(name, arguments, timeLimit: .seconds(120))
        program.environment = environment
        return try await NetworkNamespace("deployment").execute(program).requireSuccess().standardOutput
    }

    static func text(of name: String) async throws -> String { try await run("cat", [path(name)]) }
}
