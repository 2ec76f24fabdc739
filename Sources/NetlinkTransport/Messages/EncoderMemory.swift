/// The memory that encoders take from libnftnl.
///
/// A message that lacks a part is worse than none: a rule without one of its conditions applies to every packet. So whatever is not
/// given is an error that abandons the whole batch before any of it is sent. Tests put a question before each piece of memory and see
/// what becomes of the batch if the answer is no.
struct EncoderMemory: Sendable {
    /// Asked before each piece; nil: there is always some.
    private let isGiven: (@Sendable () -> Bool)?

    init(isGiven: (@Sendable () -> Bool)? = nil) { self.isGiven = isGiven }

    /// What libnftnl says itself.
    static let system = EncoderMemory()

    /// Makes an object of libnftnl's, which the caller frees.
    ///
    /// - Parameters:
    ///   - part: names it, with the object that it belongs to: `table ip fairlead, chain services: a rule`.
    func object(_ part: @autoclosure () -> String, _ make: () -> OpaquePointer?) throws(NetlinkError) -> OpaquePointer {
        guard isGiven?() != false, let object = make() else { throw .noMemory(object: part()) }
        return object
    }

    /// Gives an object a part that libnftnl copies. libnftnl returns less than 0 if it could not.
    func set(_ part: @autoclosure () -> String, _ body: () -> Int32) throws(NetlinkError) {
        guard isGiven?() != false, body() >= 0 else { throw .noMemory(object: part()) }
    }
}
