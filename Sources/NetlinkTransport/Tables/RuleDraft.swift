import CNftnl

/// A rule in the making: takes statements until the end, or until one part of it could not be made, and says so at the end.
final class RuleDraft {
    /// The rule as far as it has got.
    let rule: OpaquePointer
    /// Names the rule in errors.
    private let name: String
    private let memory: EncoderMemory
    private var failure: NetlinkError?
    private var isFinished = false

    /// - Parameter name: the table and the chain.
    init(name: String, _ memory: EncoderMemory) throws(NetlinkError) {
        self.name = name
        self.memory = memory
        rule = try memory.object("\(name): a rule") { nftnl_rule_alloc() }
    }

    deinit { if !isFinished { nftnl_rule_free(rule) } }

    /// Adds an expression.
    func add(_ expression: String, _ fill: (ExpressionDraft) -> Void) {
        guard failure == nil else { return }
        do throws(NetlinkError) {
            let part = "\(name): expression \(expression)"
            let pointer = try memory.object(part) { nftnl_expr_alloc(expression) }
            fill(ExpressionDraft(pointer: pointer, name: expression, draft: self))
            // It goes with the rule from now on.
            nftnl_rule_add_expr(rule, pointer)
        } catch { failure = error }
    }

    /// Gives the rule, or one of its expressions, a part that libnftnl copies.
    func note(_ part: String, _ body: () -> Int32) {
        guard failure == nil else { return }
        do throws(NetlinkError) { try memory.set("\(name): \(part)", body) } catch { failure = error }
    }

    /// The rule, which the caller frees. For one call.
    func finish() throws(NetlinkError) -> OpaquePointer {
        if let failure { throw failure }
        isFinished = true
        return rule
    }
}

/// An expression of a rule in the making.
struct ExpressionDraft {
    fileprivate let pointer: OpaquePointer
    fileprivate let name: String
    fileprivate let draft: RuleDraft

    /// Sets an attribute. libnftnl does not take one that it does not know.
    func set(_ attribute: Int, _ bytes: UnsafeRawBufferPointer) {
        draft.note("expression \(name), attribute \(attribute)") {
            nftnl_expr_set(pointer, UInt16(attribute), bytes.baseAddress, UInt32(bytes.count))
        }
    }

    /// Sets an attribute that is a text.
    func set(_ attribute: Int, text: String) {
        draft.note("expression \(name), attribute \(attribute)") {
            nftnl_expr_set_str(pointer, UInt16(attribute), text)
        }
    }
}
