import KubernetesModel
import Logging
import Observability
import Reconciliation
import Telemetry

/// Why the node is not in line with the cluster: told where one looks, and in the log again after a while.
extension Daemon {
    /// Looks whether there is a Node object of this node's name, now that there may be.
    func judgeNode(after update: ClusterUpdate) {
        let name = reconciler.desired.settings.nodeName
        reconciler.judgeNodeAbsence(lookup.absence(after: update, nodeName: name))
        let wasMissing = isNodeMissing
        isNodeMissing = reconciler.desired.isNodeMissing
        if !isNodeMissing, lookup.answer != nil {
            lookup.answer = nil
            reconciler.judgeNodeAbsence(lookup.absence(after: update, nodeName: name))
        }
        if !isNodeMissing, wasMissing {
            logger.notice("there is a Node of this name again", metadata: ["node": "\(name)"])
        }
        askForNames()
    }

    /// Once each time that the Node comes to be missing. The log has its line when the answer is there.
    private func askForNames() {
        guard isNodeMissing, lookup.answer == nil, !lookup.isAsking, let names = lookup.names else { return }
        lookup.isAsking = true
        Task { await self.learn(names()) }
    }

    private func learn(_ names: [String]) {
        lookup.isAsking = false
        // It may have come meanwhile.
        guard isNodeMissing else { return }
        lookup.answer = names
        reconciler.judgeNodeAbsence(.mistake(names: names))
        reportFindings()
        publish()
    }

    /// Puts what the objects and the kernel's answers tell of troubles on the board.
    func noteTroubles(_ status: inout StatusBoard.Status, at now: Moment) {
        let desired = reconciler.desired
        let name = desired.settings.nodeName
        let missing = desired.nodeFindings.first { $0.code == "missing-node" }.map { "\($0)" }
        status.troubles.set(
            .missingNode, isNodeMissing ? missing ?? "there is no Node \(name)" : nil, at: now)
        let leaving: String? =
            switch status.health.eligibility {
            case .beingDeleted: "Node \(name) is being deleted: /healthz answers 503"
            case .tainted: "Node \(name) has the taint \(NodeEligibility.deletionTaint): /healthz answers 503"
            case .draining(let key):
                "Node \(name) has the taint \(key) (--drain-taints): /healthz and health check ports answer 503"
            case .eligible, .absent: nil
            }
        status.troubles.set(.leavingNode, leaving, at: now)
        let held = desired.held.count
        status.troubles.set(
            .heldServices, held == 0 ? nil : "Services left as they are because an object is invalid: \(held)",
            at: now)
        let refused = desired.refused.count
        status.troubles.set(
            .refusedServices,
            refused == 0 ? nil : "Services left as they are because the kernel refuses an element: \(refused)", at: now)
    }

    /// The node came to be drained by a taint, or is drained no longer.
    func noteDraining(_ taint: String?) {
        guard taint != drainTaint else { return }
        drainTaint = taint
        let metadata: Logger.Metadata = ["node": "\(reconciler.desired.settings.nodeName)"]
        if let taint {
            logger.notice(
                "draining by the taint \(taint): /healthz and health check ports answer 503", metadata: metadata)
        } else {
            logger.notice("drained no longer: load balancers may send again", metadata: metadata)
        }
    }

    /// Says again what has not been mended for a while. What the kernel refuses has its own lines, with each attempt.
    func remindOfTroubles() {
        for (place, trouble) in reminder.due(board.current.troubles, at: .now) where place.code != .kernel {
            logger.warning(
                "still so: \(trouble.text)",
                metadata: ["trouble": "\(place.code.rawValue)", "since": "\(trouble.since.timestamp)"])
        }
    }
}
