import KubernetesModel
import KubernetesWire
import NIOCore

extension APIConnection {
    /// Reads all objects that the dataplane of a node is made from, once.
    ///
    /// - Parameters:
    ///   - nodeName: The Node to read; nil for all.
    ///   - details: Whether the objects come with what only advice reads.
    /// - Throws: ``APIError`` at the first request that fails; a kind that the server lacks, or keeps from this user, is none if
    ///   the dataplane can do without it.
    public func readCluster(nodeName: String?, details: Bool = false) async throws(APIError) -> ClusterUpdate {
        try await read(WatchedResource.all(nodeName: nodeName), details: details)
    }

    /// Reads one Service with its EndpointSlices, and all Nodes, once.
    ///
    /// - Throws: ``APIError`` at the first request that fails.
    public func readCluster(about service: ObjectKey) async throws(APIError) -> ClusterUpdate {
        try await read(WatchedResource.around(service), details: false)
    }

    /// The names of Nodes: of the first two thousand at the most, for a hint in a message.
    ///
    /// - Throws: ``APIError`` if the first request fails.
    public func nodeNames() async throws(APIError) -> [String] {
        let resource = WatchedResource(kind: .node, paths: ["/api/v1/nodes"])
        var names: [String] = []
        var token = ""
        for _ in 0..<4 {
            do throws(APIError) {
                let page = try await page(of: resource, path: resource.paths[0], token: token, details: false)
                names += page.items.map(\.id.key.name)
                token = page.continueToken
            } catch {
                if names.isEmpty { throw error }
                token = ""
            }
            if token.isEmpty { break }
        }
        return names
    }

    private func read(_ resources: [WatchedResource], details: Bool) async throws(APIError) -> ClusterUpdate {
        var update = ClusterUpdate()
        for resource in resources {
            for item in try await items(of: resource, details: details) {
                if let object = item.object { update.changes.append(.applied(object)) }
                update.findings += item.findings
            }
        }
        update.heldServices = Set(update.findings.compactMap(\.heldService))
        return update
    }

    private func items(of resource: WatchedResource, details: Bool) async throws(APIError) -> [WireObject] {
        var path = 0
        while true {
            do throws(APIError) {
                return try await items(of: resource, path: resource.paths[path], details: details)
            } catch {
                guard resource.isOptional, error.statusCode == 404 || error.statusCode == 403 else { throw error }
                path += 1
                if error.statusCode == 403 || path == resource.paths.count { return [] }
            }
        }
    }

    private func items(
        of resource: WatchedResource, path: String, details: Bool
    ) async throws(APIError) -> [WireObject] {
        var items: [WireObject] = []
        var token = ""
        repeat {
            let page = try await page(of: resource, path: path, token: token, details: details)
            items += page.items
            token = page.continueToken
        } while !token.isEmpty
        return items
    }

    private func page(
        of resource: WatchedResource, path: String, token: String, details: Bool
    ) async throws(APIError) -> ObjectListPage {
        let timing = ReflectorTiming()
        let kind = resource.kind
        let order = ReflectorMachine.Order.list(
            path: path, resourceVersion: token.isEmpty ? "0" : "", limit: timing.pageSize, continueToken: token)
        return try await perform(order.request(for: resource), silence: timing.listSilence) {
            (body) async throws(APIError) in
            try body.requireProtobuf()
            var decoder = ListDecoder(kind: kind, details: details)
            while let piece = try await body.next() {
                do throws(WireError) {
                    try piece.withUnsafeReadableBytes { (bytes) throws(WireError) in try decoder.append(bytes) }
                } catch { throw APIError(.nonsense, error.description) }
            }
            do throws(WireError) { return try decoder.finish() } catch {
                throw APIError(.nonsense, error.description)
            }
        }
    }
}
