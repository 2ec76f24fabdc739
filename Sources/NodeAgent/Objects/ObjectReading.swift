import KubernetesClient
import KubernetesModel
import Logging
import ManifestSource

/// The objects of a source, read once.
package struct ObjectReading {
    /// The objects, and what the source says of them.
    package private(set) var update: ClusterUpdate
    /// Whether everything could be read; if not, why has been logged.
    package private(set) var isWhole: Bool
    /// The names of other Nodes, if an API server was asked for one Node and has none of its name.
    package private(set) var otherNodes: [String] = []
    /// Where the objects stand, if they come from files and details were asked for.
    package private(set) var locations: [ObjectID: SourceLocation] = [:]

    /// Reads the objects of a node, or of a cluster. Nil if an API server did not give them; why has been logged then.
    ///
    /// - Parameters:
    ///   - nodeName: the Node that an API server is asked for; nil for all.
    ///   - details: whether what only advice reads is read, too.
    package init?(_ source: SourceChoice, nodeName: String?, details: Bool = false, _ logger: Logger) async {
        await self.init(source, details: details, nodeName: nodeName, logger) { (connection) async throws(APIError) in
            try await connection.readCluster(nodeName: nodeName, details: details)
        }
    }

    /// Reads what the pools of a Service are made from; from files, everything.
    package init?(_ source: SourceChoice, about service: ObjectKey, _ logger: Logger) async {
        await self.init(source, details: false, logger) { (connection) async throws(APIError) in
            try await connection.readCluster(about: service)
        }
    }

    private init?(
        _ source: SourceChoice, details: Bool, nodeName: String? = nil, _ logger: Logger,
        _ ask: (APIConnection) async throws(APIError) -> ClusterUpdate
    ) async {
        switch source {
        case .manifests(let paths):
            var manifests = ManifestSet(paths: paths, details: details)
            let news = manifests.load()
            for failure in news.failures { logger.error("\(failure)") }
            for object in news.skipped { logger.debug("\(object)") }
            update = news.clusterUpdate
            isWhole = news.failures.isEmpty
            if details {
                locations = Dictionary(manifests.objects.map { ($0.object.id, $0.location) }) { first, _ in first }
            }
        case .api(let settings):
            do throws(APIError) {
                let connection = try Wiring.connection(settings, logger)
                let result: Result<ClusterUpdate, APIError>
                do throws(APIError) { result = .success(try await ask(connection)) } catch { result = .failure(error) }
                if let nodeName, let found = try? result.get(), !found.tells(of: nodeName) {
                    otherNodes = await connection.nodeNamesForHint(logger)
                }
                await connection.shutdown()
                update = try result.get()
                isWhole = true
            } catch {
                logger.error("\(error)")
                return nil
            }
        }
    }
}

extension ClusterUpdate {
    /// Whether there is a Node of this name, if only one that is invalid.
    fileprivate func tells(of nodeName: String) -> Bool {
        let id = ObjectID(kind: .node, key: ObjectKey(name: nodeName))
        return findings.contains { $0.subject == id }
            || changes.contains { if case .applied(let object) = $0 { object.id == id } else { false } }
    }
}
