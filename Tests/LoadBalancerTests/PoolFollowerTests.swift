import FairleadTestKit
import Foundation
import Glibc
import Testing

/// `fairlead lb-pool --watch` and those who read what it says: files, and programs that ask over HTTP.
@Suite(.enabled(if: Capability.runsNetworkSuites, "needs the privilege to make network namespaces"))
struct PoolFollowerTests {
    private static func service(_ ports: [String]) -> String {
        let list = ports.enumerated().map { "  - {name: \($1), port: \(80 + $0), nodePort: \(30080 + $0)}" }
        return """
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            spec:
              type: LoadBalancer
              clusterIP: 10.96.0.80
              ports:
            \(list.joined(separator: "\n"))
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: node1}
            status:
              addresses: [{type: InternalIP, address: 172.30.0.11}]

            """
    }

    private static func start(
        _ directory: TemporaryDirectory, in namespace: NetworkNamespace, _ options: [String]
    ) async throws -> Daemon {
        let arguments = ["lb-pool", "default/web", "--manifests", directory.path, "--watch"]
        return try await FairleadCommand().start(arguments + options, in: namespace)
    }

    @Test("a pool that is gone leaves the file, and the others stay", arguments: ["as3", "nginx", "envoy"])
    func gonePool(_ form: String) async throws {
        let namespace = try NetworkNamespace("pool-file")
        let (directory, other) = (try TemporaryDirectory(), try TemporaryDirectory())
        try directory.write(Self.service(["http", "admin"]), to: "web.yaml")
        let file = "\(other.path)/pool"
        let follower = try await Self.start(directory, in: namespace, ["--output", form, "--write-to", file])
        defer { follower.signal(SIGTERM) }
        @Sendable func text() -> String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }
        #expect(
            await eventually { text().contains("30080") && text().contains("30081") }, "\(text())\n\(follower.output)")
        try directory.write(Self.service(["http"]), to: "web.yaml")
        #expect(await eventually { !text().contains("30081") }, "\(text())\n\(follower.output)")
        #expect(text().contains("30080"))
    }

    @Test("programs that waited for news and are gone do not take the places of others")
    func goneClients() async throws {
        let namespace = try NetworkNamespace("pool-http")
        try namespace.ip(["link set lo up"])
        let directory = try TemporaryDirectory()
        try directory.write(Self.service(["http"]), to: "web.yaml")
        let follower = try await Self.start(directory, in: namespace, ["--listen", "127.0.0.1:8404"])
        defer { follower.signal(SIGTERM) }
        try await follower.waitForOutput("30080")
        // A hundred is as many as may wait. The last command waits itself, if it finds a place.
        let script = """
            url=http://127.0.0.1:8404/v1/pools
            index=$(curl -s $url | sed 's/^{"index":\\([0-9]*\\).*/\\1/')
            for ((number = 0; number < 100; number++)); do
                exec 3<>/dev/tcp/127.0.0.1/8404
                printf 'GET /v1/pools?index=%s&wait=200 HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' "$index" >&3
                exec 3>&-
            done
            sleep 1
            curl -s -o /dev/null -w '%{http_code} %{time_total}' "$url?index=$index&wait=3"
            """
        let result = try await namespace.execute(Program("bash", ["-c", script])).requireSuccess()
        let words = result.standardOutput.split(separator: " ")
        #expect(words.first == "200" && words.last.flatMap { Double($0) }.map { $0 >= 2.9 } == true, "\(result)")
    }
}
