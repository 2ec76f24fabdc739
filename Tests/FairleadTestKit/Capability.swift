import Glibc

/// Whether this process may make network namespaces, and whether it has to be able to.
public enum Capability {
    /// Tried once: a namespace with a veth link, an nftables table and a kernel parameter.
    public static let canMakeNetworks: Bool = {
        do throws(TestKitError) {
            let namespace = try NetworkNamespace("probe")
            let peer = try NetworkNamespace("probe-peer")
            try namespace.ip(["link add probe type veth peer name probe netns \(peer.path)"])
            try namespace.setParameters([("ipv4/ip_forward", "1")])
            try namespace.run(Program("nft", ["add", "table", "ip", "probe"])).requireSuccess()
            return true
        } catch {
            return false
        }
    }()

    /// Whether suites that need network namespaces run. With `FAIRLEAD_REQUIRE_NETNS=1` they always do, and fail where
    /// the privilege is missing.
    public static let runsNetworkSuites: Bool = requiresNetworks || canMakeNetworks

    /// Whether a process can own a table that outlives it.
    public static let ownsTables = kernelIsAtLeast(6, 9)

    /// Whether a set's size can be changed while it is there.
    public static let resizesSets = kernelIsAtLeast(6, 5)

    /// Whether a transaction can remove an element that may be gone already.
    public static let removesGoneElements = kernelIsAtLeast(6, 3)

    /// Whether hosts that are sent back to a neighbour by ICMPv6 redirect stay with a translated destination: on Linux 6.1.176
    /// they learn a way past the node that translates, on 6.12.117 not; those between were not tried (docs/firewalls.md).
    public static let keepsToTranslatedRoutes = kernelIsAtLeast(6, 12)

    /// Whether `uname` tells this version of Linux or a later one.
    private static func kernelIsAtLeast(_ major: Int, _ minor: Int) -> Bool {
        var name = utsname()
        guard uname(&name) == 0 else { return false }
        let release = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (major, minor)
    }

    /// Whether a missing privilege is a failure.
    public static let requiresNetworks: Bool =
        getenv("FAIRLEAD_REQUIRE_NETNS").map { String(cString: $0) == "1" } ?? false
}

/// The descriptors that this process has open, for leak checks.
///
/// Suites run side by side in one process: look for what the activity in question opened, not at the count.
public enum OpenDescriptors {
    /// Each open descriptor and what it refers to (`net:[4026532000]` is a network namespace).
    public static var all: [String: String] {
        var result: [String: String] = [:]
        guard let directory = opendir("/proc/self/fd") else { return result }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let number = Int32(name), number != dirfd(directory) else { continue }
            var target = [CChar](repeating: 0, count: 256)
            let length = readlink("/proc/self/fd/\(name)", &target, target.count)
            if length >= 0 {
                result[name] = String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
        }
        return result
    }
}
