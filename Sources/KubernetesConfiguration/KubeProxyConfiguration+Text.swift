extension KubeProxyConfiguration {
    /// The configuration as a file that kube-proxy and Fairlead read: YAML with every key.
    public var yaml: String {
        var text = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
        var open: [Substring] = []
        for key in Self.keys {
            let path = key.path.split(separator: ".")
            let sections = path.dropLast()
            let common = zip(open, sections).prefix { $0 == $1 }.count
            for depth in common..<sections.count {
                text += String(repeating: "  ", count: depth) + "\(sections[depth]):\n"
            }
            open = Array(sections)
            text += String(repeating: "  ", count: sections.count) + "\(path[path.count - 1]): \(key.yaml(self))\n"
        }
        return text
    }
}
