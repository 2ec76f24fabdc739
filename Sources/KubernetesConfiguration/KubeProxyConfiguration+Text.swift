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

    /// The configuration as a JSON object with every key, in the order of the API's documentation.
    public var json: String {
        let tree = try? ConfigurationFile.parse(Array(yaml.utf8), path: "") { root in JSONWriter.text(root) }
        return tree ?? "{}"
    }

    /// kube-proxy's flags that have a key, without dashes, and what they would have been given for this configuration.
    public var flags: [String: String] {
        var flags: [String: String] = [:]
        for flag in KubeProxyFlag.all {
            let path: String
            switch flag.meaning {
            case .key(let key): path = key
            case .keyOfMode(let key): path = "\(mode == "nftables" ? "nftables" : "iptables").\(key)"
            case .own: continue
            }
            flags[flag.name] = Self.key(path)?.flagText(self)
        }
        return flags
    }
}
