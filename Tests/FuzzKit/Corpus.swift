import Glibc

/// The files of a folder `Corpus` beside a test: what mutations begin with.
public enum Corpus {
    /// The content of the files, in the order of their names.
    ///
    /// - Parameters:
    ///   - suffix: how the names end.
    ///   - test: the file of the test.
    public static func files(_ suffix: String, of test: StaticString = #filePath) -> [[UInt8]] {
        let folder = "\(test)".split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/Corpus"
        guard let directory = opendir(folder) else { preconditionFailure("there is no \(folder)") }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(suffix) { names.append(name) }
        }
        return names.sorted().map { read("\(folder)/\($0)") }
    }

    private static func read(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { preconditionFailure("cannot read \(path)") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        return Array(bytes[..<fread(&bytes, 1, bytes.count, file)])
    }
}
