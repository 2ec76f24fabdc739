import KubernetesModel
import ManifestSource
import NetworkTypes

/// A Service that has nothing wrong with it.
let survivor = """
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: survivor}
    spec: {clusterIP: 10.96.0.99, ports: [{port: 80}]}

    """

/// Decodes a text as the file `f.yaml`.
func decode(_ text: String, workers: Int = 1) throws(ManifestError) -> LoadedFile {
    var decoder = ManifestDecoder(path: "f.yaml", workers: workers)
    return try decoder.decode(text)
}

/// A Service manifest with these lines in its `spec`.
func service(_ spec: String, name: String = "web", more: String = "") -> String {
    let lines = spec.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
    return "apiVersion: v1\nkind: Service\nmetadata: {name: \(name)}\n\(more)spec:\n\(lines)\n"
}

/// An EndpointSlice manifest with these lines at its top level.
func slice(_ body: String, labels: String = "{kubernetes.io/service-name: web}") -> String {
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, labels: \(labels)}\n\(body)\n"
}

extension LoadedFile {
    /// The objects' names.
    var names: [String] { objects.map { $0.object.id.description } }

    /// The Services among the objects.
    var services: [Service] {
        objects.compactMap { if case .service(let service) = $0.object { service } else { nil } }
    }

    /// The EndpointSlices among the objects.
    var slices: [EndpointSlice] {
        objects.compactMap { if case .endpointSlice(let slice) = $0.object { slice } else { nil } }
    }
}
