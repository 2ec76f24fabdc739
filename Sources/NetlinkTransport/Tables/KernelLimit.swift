import CLinux
import Netfilter
import NetworkTypes

/// What newer kernels have and Fairlead can do without; `docs/kernels.md` lists it.
public enum KernelLimit: String, Sendable, CaseIterable, CustomStringConvertible {
    /// A table belongs to nobody: other programs can change it.
    case ownerlessTables
    /// A set keeps the size with which it was made.
    case fixedSizes
    /// A transaction that removes an element that is gone is refused as a whole.
    case strictRemoval
    /// An answer about a set does not say how many elements it has.
    case uncountedSets

    /// What is missing, from which version on it is there, and what happens instead.
    public var description: String {
        switch self {
        case .ownerlessTables:
            "tables with an owner (Linux 6.9 or later): what other programs change is noticed and repaired"
        case .fixedSizes:
            "sets whose size can be changed (Linux 6.5 or later): a set keeps the size with which it was made"
        case .strictRemoval:
            "removal of elements that may be gone (Linux 6.3 or later): entries of affinity are removed one by one"
        case .uncountedSets:
            "counts of a set's elements (6.12 has none, 6.18 has them): large sets are dumped until two dumps agree, not read by key"
        }
    }
}

/// The kernel that runs.
public enum KernelRelease {
    /// As `uname -r` prints it; empty if it cannot be read.
    public static let text: String = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
        guard let base = buffer.baseAddress else { return "" }
        let length = fl_read_small("/proc/sys/kernel/osrelease", base, buffer.count)
        guard length > 0 else { return "" }
        let line = String(decoding: UnsafeRawBufferPointer(start: base, count: length), as: UTF8.self)
        return line.split(separator: "\n").first.map(String.init) ?? ""
    }

    /// Why Fairlead does not begin on the kernel that calls itself `text`: it is older than Linux 5.13, below which nothing is tried, and
    /// kube-proxy's nftables mode does not begin either. Nil for others, also for one whose version cannot be read.
    public static func refusal(_ text: String = text) -> String? {
        guard text.first?.isNumber == true, !isAtLeast(5, 13, text) else { return nil }
        return "this kernel is Linux \(text); Fairlead needs Linux 5.13 or later"
    }

    /// Whether the kernel says that it is of this version or a later one. A distribution may have put a feature into an older one: ask
    /// for the feature where that is possible.
    package static func isAtLeast(_ major: Int, _ minor: Int, _ text: String = text) -> Bool {
        let numbers = text.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (major, minor)
    }
}

extension NftablesKernel {
    /// What the kernel lacks of what is good to have. Nothing is changed: the kernel judges transactions that end before they count.
    ///
    /// - Parameter wantsOwnTables: whether tables are to belong to this connection, so that it matters if they cannot.
    public func limits(wantsOwnTables: Bool) -> [KernelLimit] {
        KernelLimit.allCases.filter { limit in
            switch limit {
            case .ownerlessTables: wantsOwnTables && !makesOwnedTables
            case .fixedSizes: !Self.resizesSets
            case .strictRemoval: !removesGoneElements
            // Only a set that is there could tell, and there may be none yet.
            case .uncountedSets: !KernelRelease.isAtLeast(6, 13)
            }
        }
    }

    /// Whether the kernel takes a transaction that removes an element which is not there.
    private var removesGoneElements: Bool {
        let set = SetDeclaration(SetID(1), "addresses", key: [.destinationAddress])
        var trial = Transaction(tableName: KernelFeature.trialTable)
        trial.append(.ipv4, .addTable(comment: nil))
        trial.append(.ipv4, .addSet(set))
        trial.append(.ipv4, .destroyElements(set, [Element(ElementKey())]))
        do throws(NetlinkError) { try check(trial) } catch {
            return error.code != ErrorNumber.invalid && error.code != ErrorNumber.notSupported
        }
        return true
    }
}
