import Netfilter
import NetworkTypes

/// How the kernel describes a set, apart from its elements (`enum nft_set_attributes`): flags 3, key type 4 and length 5, data
/// type 6 and length 7, description 9, expression 17. What a set says of itself is in its user data: for `nft` only.
struct SetShape {
    private let flags: UInt32
    private let key: [UInt32]
    private let data: [UInt32]
    private let hasExpression: Bool
    /// The most elements that the set takes; nil for no limit.
    let size: UInt32?

    init(_ attributes: AttributeSequence) {
        func number(_ type: UInt16) -> UInt32 { attributes.first(type)?.number ?? 0 }
        flags = number(3) & SetForm.shownFlags
        key = [number(4), number(5)]
        data = [number(6), number(7)]
        hasExpression = attributes.first(SetField.expression) != nil
        size = attributes.first(SetField.description)?.nested.first(SetField.descriptionSize)?.number
    }

    /// Whether a set like this can stand in the place of one that is declared.
    func isForm(of set: SetDeclaration, _ family: IPFamily) -> Bool {
        hasElements(of: set, family) && flags == SetForm.flags(set) && hasExpression == set.countsPackets
    }

    /// Whether its elements are elements of the one that is declared.
    func hasElements(of set: SetDeclaration, _ family: IPFamily) -> Bool {
        key == [SetForm.type(set.key, family), UInt32(set.key.declaredWidth(family))]
            && data == [set.isMap ? SetForm.type(set.data, family) : 0, UInt32(set.data.declaredWidth(family))]
            && (flags ^ SetForm.flags(set)) & (SetForm.interval | SetForm.concatenation) == 0
    }
}

extension NftablesKernel {
    /// Whether the kernel changes the size of a set that is there, when it is declared again: Linux 6.5 or later. Earlier ones say
    /// that they did, and did not.
    static let resizesSets = KernelRelease.isAtLeast(6, 5)
}
