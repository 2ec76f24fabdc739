import ArgumentParser
import FairleadTestKit
import Glibc
import NetworkTypes

/// `fairlead-lab balance`: three nodes behind HAProxy.
struct BalanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "balance", abstract: "Raise three nodes behind a real HAProxy, and move endpoints under load.")

    @Option(help: "The page whose configurations HAProxy gets.")
    var document = "docs/load-balancers.md"

    @Flag(help: "Show everything by itself, and fail if a request was lost.")
    var tour = false

    func run() async throws {
        try LabCommand.requirePrivilege()
        let paper = Paper(hasColour: isatty(1) == 1 && getenv("NO_COLOR") == nil)
        let bench = try await BalanceBench(try Document(path: document), paper)
        if tour {
            try await bench.tour()
            return
        }
        bench.greet()
        while let line = prompted() {
            let words = line.split(separator: " ").map(String.init)
            if ["quit", "exit"].contains(words.first) { break }
            do { try await bench.obey(words) } catch { paper.line("\(error)") }
        }
        try await bench.end()
    }

    private func prompted() -> String? {
        if isatty(0) == 1 {
            print("lab> ", terminator: "")
            fflush(nil)
        }
        return readLine()
    }
}
