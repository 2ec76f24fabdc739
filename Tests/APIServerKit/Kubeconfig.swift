import KubernetesModel

extension FakeAPIServer {
    /// A kubeconfig for this server.
    ///
    /// - Parameters:
    ///   - authority: Whose certificates to trust; nil for a server without TLS.
    ///   - user: What stands below `user`, one entry for each line, such as `token: abc`.
    ///   - cluster: More entries below `cluster`.
    public func kubeconfig(
        authority: Certificate? = nil, user: [String] = [], cluster: [String] = []
    ) -> String {
        var entries = ["server: \(url)"] + cluster
        if let authority { entries.append("certificate-authority: \(authority.certificatePath)") }
        func block(_ lines: [String]) -> String {
            lines.isEmpty ? " {}" : "\n" + lines.map { "    \($0)" }.joined(separator: "\n")
        }
        return """
            apiVersion: v1
            kind: Config
            current-context: test
            contexts:
            - name: test
              context:
                cluster: fake
                user: tester
            clusters:
            - name: fake
              cluster:\(block(entries))
            users:
            - name: tester
              user:\(block(user))

            """
    }
}
