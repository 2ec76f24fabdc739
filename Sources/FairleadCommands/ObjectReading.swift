import KubernetesClient
import KubernetesConfiguration
import KubernetesModel
import Logging
import ManifestSource

/// The objects of a source, read once.
struct ObjectReading {
    /// The objects, and what the source says of them.
    private(set) var update: ClusterUpdate
    /// Whether everything could be read; if not, why has been logged.
    private(set) var isWhole: Bool
    /// Where the objects stand, if they come from files and details were asked for.
    private(set) var locations: [ObjectID: SourceLocation] = [:]

    /// Nil if an API server did not give the objects; why has been logged then.
    ///
    /// - Parameters:
    ///   - nodeName: the Node that an API server is asked for; nil for all.
    ///   - details: whether what only advice reads is read, too.
    init?(_ source: SourceChoice, nodeName: String?, details: Bool = false, _ logger: Logger) async {
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
                update = try await Self.ask(settings, nodeName: nodeName, details: details, logger)
                isWhole = true
            } catch {
                logger.error("\(error)")
                return nil
            }
        }
    }

    private static func ask(
        _ settings: ConnectionSettings, nodeName: String?, details: Bool, _ logger: Logger
    ) async throws(APIError) -> ClusterUpdate {
        let connection = try Wiring.connection(settings, logger)
        let result: Result<ClusterUpdate, APIError>
        do throws(APIError) {
            result = .success(try await connection.readCluster(nodeName: nodeName, details: details))
        } catch { result = .failure(error) }
        await connection.shutdown()
        return try result.get()
    }
}
