import ArgumentParser

/// A boolean option as Go programs take it: `--name`, `--name=true` or `--name=false`.
///
/// It takes any text: ArgumentParser would go on as if there were no value where one is invalid. Whoever applies the
/// options refuses it.
struct Switch: ExpressibleByArgument, CustomStringConvertible {
    let description: String

    /// What the option means without a value.
    static let on = Switch(argument: "true")

    init(argument: String) { description = argument }

    static var allValueStrings: [String] { ["true", "false"] }
}

/// Options that kube-proxy has too, under the same names.
protocol KubeProxyOptions {
    /// Those that were given, with their values.
    var given: [(name: String, value: String)] { get }
    /// Those that were given and that kube-proxy does not have, as they stand on a command line.
    var ownArguments: [String] { get }
}

extension KubeProxyOptions {
    var ownArguments: [String] { [] }
}

extension [(name: String, value: String)] {
    /// Adds an option if it was given.
    mutating func add(_ name: String, _ value: (some CustomStringConvertible)?) {
        if let value { append((name, value.description)) }
    }
}
