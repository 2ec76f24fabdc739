import KubernetesClient
import KubernetesModel
import Logging
import Observability
import ServicePolicy

/// What the daemon tells with Kubernetes Events, beside its log: what an operator looks for at the object and not on the
/// node. With manifests as the source there is nobody to tell.
struct EventReports: Sendable {
    private let recorder: EventRecorder?
    private let nodeName: String

    /// - Parameter connection: to the API server; nil if there is none.
    init(_ connection: APIConnection?, nodeName: String, _ logger: Logger) {
        recorder = connection.map { EventRecorder($0, nodeName: nodeName, logger: logger) }
        self.nodeName = nodeName
    }

    /// Sends what is told until the task is cancelled.
    func run() async { await recorder?.run() }

    /// Whether there is anybody to tell.
    var isActive: Bool { recorder != nil }

    /// The daemon starts.
    func starting() {
        recorder?.record(
            ClusterEvent(
                .normal, .node(nodeName), reason: "Starting", action: "StartFairlead", note: "Starting fairlead."))
    }

    /// A health check port of a Service could not be opened; kube-proxy's words.
    func failed(_ failure: ListenFailure, of check: HealthCheck) {
        recorder?.record(
            ClusterEvent(
                .warning, .object(ObjectID(kind: .service, key: check.key)), reason: "FailedToStartServiceHealthcheck",
                action: "Listen",
                note: "node \(nodeName) failed to start healthcheck \"\(check.key)\" on port \(check.port): \(failure)")
        )
    }

    /// Findings that are new: of an object without effect the operator should learn at the object.
    func found(_ findings: [Finding]) {
        for finding in findings where finding.severity == .error {
            guard let subject = finding.subject else { continue }
            recorder?.record(
                ClusterEvent(
                    .warning, .object(subject), reason: Self.reason(finding.code), action: "Program",
                    note: "\(finding.field.isEmpty ? "" : "\(finding.field): ")\(finding.message)"))
        }
    }

    /// `contested-frontend` as an Event's reason: `ContestedFrontend`.
    static func reason(_ code: String) -> String {
        code.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }
}
