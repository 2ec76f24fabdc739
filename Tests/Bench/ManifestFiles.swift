import FairleadTestKit

/// Writes a cluster's objects to files.
struct ManifestFiles {
    let cluster: SyntheticCluster
    let format: ManifestFormat

    /// The Services of one file in a directory.
    static let servicesPerFile = 500

    /// All objects in one file.
    func writeAll(to path: String) throws(TestKitError) {
        try write(to: path, services: 0..<cluster.services, includesCluster: true)
    }

    /// The name of the file in a directory that has the Service, unless it has one of its own.
    func name(of service: Int) -> String { "services-\(service / Self.servicesPerFile).\(format.rawValue)" }

    /// The name of the file for a single Service.
    func singleName(of service: Int) -> String { "single-\(service).\(format.rawValue)" }

    /// The objects in files of 500 Services, but one Service in a file of its own.
    func writeDirectory(_ directory: String, single: Int) throws(TestKitError) {
        try write(to: "\(directory)/cluster.\(format.rawValue)", services: 0..<0, includesCluster: true)
        for start in stride(from: 0, to: cluster.services, by: Self.servicesPerFile) {
            try writeShared(with: start, to: "\(directory)/\(name(of: start))", single: single)
        }
        try writeSingle(single, to: "\(directory)/\(singleName(of: single))")
    }

    /// The file that has the Service together with others.
    func writeShared(
        with service: Int, to path: String, single: Int, _ change: SyntheticCluster.Change? = nil
    ) throws(TestKitError) {
        let start = service / Self.servicesPerFile * Self.servicesPerFile
        let range = start..<min(start + Self.servicesPerFile, cluster.services)
        try write(to: path, services: range.filter { $0 != single }, change)
    }

    /// The file that has just the Service.
    func writeSingle(
        _ service: Int, to path: String, _ change: SyntheticCluster.Change? = nil
    ) throws(TestKitError) {
        try write(to: path, services: [service], change)
    }

    private func write(
        to path: String, services: some Sequence<Int>, includesCluster: Bool = false,
        _ change: SyntheticCluster.Change? = nil
    ) throws(TestKitError) {
        let file = try OutputFile(path)
        var writer = ManifestText()
        var count = 0
        if format == .json { writer.raw("{\n    \"apiVersion\": \"v1\",\n    \"items\": [") }
        func append(_ object: ManifestValue) throws(TestKitError) {
            switch format {
            case .yaml:
                if count > 0 { writer.raw("---\n") }
                writer.yaml(object)
            case .json:
                writer.raw(count > 0 ? ",\n        " : "\n        ")
                writer.json(object, "        ")
            }
            count += 1
            if writer.text.utf8.count > 1 << 16 { try file.write(writer.take()) }
        }
        if includesCluster { for object in cluster.clusterObjects { try append(object) } }
        for service in services {
            for object in cluster.objects(service, change) { try append(object) }
        }
        if format == .json { writer.raw("\n    ],\n    \"kind\": \"List\"\n}\n") }
        try file.write(writer.take())
    }
}
