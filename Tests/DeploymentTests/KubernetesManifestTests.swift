import FairleadTestKit
import Testing

/// docs/deploy/kubernetes.yaml against the published schemas, and against the program that it starts.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct KubernetesManifestTests {
    private static let manifest = "docs/deploy/kubernetes.yaml"
    private static let validator = Repository.path(".build/tools/bin/kubernetes-validate")
    private static let python = Repository.path(".build/tools/bin/python")

    @Test("the manifests of the DaemonSet match the schemas of the Kubernetes API, without an unknown field")
    func schema() async throws {
        let output = try await Repository.run(
            "sh", ["-c", "\(Self.validator) --strict \(Repository.path(Self.manifest)) 2>&1"])
        for object in ["serviceaccount", "clusterrole", "clusterrolebinding", "configmap", "daemonset"] {
            #expect(output.contains("passed for resource \(object)/fairlead"), "\(output)")
        }
    }

    /// What an expression of Python finds in the documents, which it sees as `documents`.
    private func query(_ expression: String) async throws -> [String] {
        let program = """
            import sys, yaml
            documents = {d['kind']: d for d in yaml.safe_load_all(open(sys.argv[1]))}
            pod = documents['DaemonSet']['spec']['template']['spec']
            for value in (\(expression)): print(value)
            """
        let output = try await Repository.run(Self.python, ["-c", program, Repository.path(Self.manifest)])
        return output.split(separator: "\n").map(String.init)
    }

    @Test("every flag that a container passes is one that the program knows")
    func flags() async throws {
        let arguments = try await query(
            "a for c in pod['containers'] + pod['initContainers'] for a in c['args'] if a.startswith('--')")
        #expect(arguments.count >= 4)
        let help = try await Repository.run(FairleadCommand().path, ["run", "--help-hidden"])
        for argument in arguments {
            let flag = argument.prefix { $0 != "=" }
            #expect(help.contains("\(flag) ") || help.contains("\(flag)\n"), "\(flag)")
        }
    }

    @Test("the daemon's container has the capability NET_ADMIN and no other privilege")
    func privileges() async throws {
        let context = try await query(
            "sorted(f'{k}={v}' for k, v in pod['containers'][0]['securityContext'].items())")
        #expect(context.contains("privileged=False"))
        #expect(context.contains("allowPrivilegeEscalation=False"))
        #expect(context.contains("readOnlyRootFilesystem=True"))
        #expect(context.contains("capabilities={'drop': ['ALL'], 'add': ['NET_ADMIN']}"))
        #expect(try await query("len(pod['containers']),") == ["1"])
    }

    @Test("the role allows to list and watch what is read, to write Events, and nothing else")
    func role() async throws {
        let rules = try await query(
            "f\"{g}/{r} {' '.join(u['verbs'])}\" for u in documents['ClusterRole']['rules'] "
                + "for g in u['apiGroups'] for r in u['resources']")
        #expect(
            Set(rules) == [
                "/services list watch", "/nodes list watch", "discovery.k8s.io/endpointslices list watch",
                "networking.k8s.io/servicecidrs list watch", "events.k8s.io/events create patch",
            ])
    }

    @Test("the probes ask the health server where it listens by default")
    func probes() async throws {
        let probes = try await query(
            "f\"{p}: {c[p]['httpGet']['path']} {c[p]['httpGet']['port']}\" for c in pod['containers'] "
                + "for p in ('livenessProbe', 'readinessProbe')")
        #expect(probes == ["livenessProbe: /livez 10256", "readinessProbe: /livez 10256"])
    }
}
