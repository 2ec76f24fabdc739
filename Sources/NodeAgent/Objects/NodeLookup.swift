import KubernetesModel
import Reconciliation

/// Asks who the Nodes are when there is none of this node's name.
package struct NodeLookup: Sendable {
    /// The names of Nodes, for a hint; nil if the objects come from files, which tell all there are.
    let names: (@Sendable () async -> [String])?
    /// Whether an answer is under way.
    var isAsking = false
    /// The answer, as long as the Node is missing.
    var answer: [String]?

    /// - Parameters:
    ///   - names: the names of Nodes, for a hint; nil if the objects come from files.
    ///   - answer: what they are, if that is known.
    package init(names: (@Sendable () async -> [String])?, answer: [String]? = nil) {
        self.names = names
        self.answer = answer
    }

    /// What the absence of this node's Node object means after an update.
    package func absence(after update: ClusterUpdate, nodeName: String) -> NodeAbsence {
        let isUnreadable = update.findings.contains { finding in
            finding.severity == .error && finding.subject == ObjectID(kind: .node, key: ObjectKey(name: nodeName))
        }
        // Before everything is known its absence says nothing; an object that is invalid is there.
        if update.readiness != .complete || isUnreadable { return .undecided }
        return names == nil ? .mistakeAmongOthers : .mistake(names: answer)
    }
}
