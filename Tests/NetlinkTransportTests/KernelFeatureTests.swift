import FairleadTestKit
import Netfilter
import NetlinkTransport
import NetworkTypes
import ServiceDataplane
import Testing

@Suite("What the kernel lacks is found out by name", .enabled(if: Capability.runsNetworkSuites, "no namespaces"))
struct KernelFeatureTests {
    private static let schemas = IPFamily.allCases.map { TableSchema(family: $0, options: Tables.options) }

    /// No kernel has it: a key of 96 bytes, where 64 are the most.
    private static let wideKeys = SetDeclaration(
        SetID(99), "wide", key: Array(repeating: .destinationAddress, count: 6))

    @Test("this kernel lacks nothing, and looking changes nothing")
    func complete() throws {
        let bench = try KernelBench()
        let generation = try bench.kernel.generation()
        #expect(try bench.kernel.missing(for: Self.schemas).isEmpty)
        // Nor does it lack any of the features: with a fault that is none of theirs, none is named.
        var broken = Self.schemas[1]
        broken.sets.append(Self.wideKeys)
        let missing = try bench.kernel.missing(for: [Self.schemas[0], broken])
        #expect(missing.count == 1 && missing.first?.feature == nil, "\(missing)")
        let text = missing.first?.description ?? ""
        #expect(text.hasPrefix("the kernel cannot hold the tables: table ip6 fairlead-trial"), "\(text)")
        #expect(try bench.kernel.generation() == generation)
        #expect(try bench.kernel.families(ofTable: "fairlead-trial").isEmpty)
    }

    @Test("a feature that is missing is named, with what would help, and nothing else is")
    func missing() throws {
        let bench = try KernelBench()
        let feature = KernelFeature("wide keys", requirement: "Linux 99 or later", sets: [Self.wideKeys])
        var schema = Self.schemas[1]
        schema.sets.append(Self.wideKeys)
        let missing = try bench.kernel.missing(for: [Self.schemas[0], schema], features: KernelFeature.all + [feature])
        #expect(
            missing.map(\.description) == ["the kernel lacks wide keys for ip6: Linux 99 or later is needed"],
            "\(missing)")
    }

    @Test("whether the kernel has one feature is found out without a change")
    func single() throws {
        let bench = try KernelBench()
        let generation = try bench.kernel.generation()
        #expect(bench.kernel.has(.handingOn))
        #expect(!bench.kernel.has(KernelFeature("wide keys", requirement: "Linux 99", sets: [Self.wideKeys])))
        #expect(try bench.kernel.generation() == generation)
    }

    @Test(
        "a table that somebody owns says nothing of the kernel",
        .enabled(if: Capability.ownsTables, "no tables with an owner before Linux 6.9"))
    func owned() throws {
        let bench = try KernelBench()
        let result: Result<NftablesKernel, NetlinkError> = try bench.namespace.run {
            do throws(NetlinkError) { return .success(try NftablesKernel(making: .owned)) } catch {
                return .failure(error)
            }
        }
        let owner = try result.get()
        var transaction = Transaction(tableName: "fairlead-trial")
        transaction.append(.ipv4, .addTable(comment: nil))
        try owner.commit(transaction, expecting: nil)
        #expect(throws: NetlinkError.self) { try bench.kernel.missing(for: Self.schemas) }
    }
}

@Suite("What newer kernels have", .enabled(if: Capability.runsNetworkSuites, "no namespaces"))
struct KernelLimitTests {
    @Test(
        "a version is at least another one by its numbers, whatever a distribution appends",
        arguments: [
            ("6.5.0", true), ("6.12.117+deb13-amd64", true), ("7.0-rc1", true), ("6.1.0-50-amd64", false),
            ("5.14.0-611.el9.x86_64", false), ("6", false), ("", false),
        ])
    func versions(_ text: String, _ expected: Bool) {
        #expect(KernelRelease.isAtLeast(6, 5, text) == expected)
    }

    @Test(
        "a kernel before Linux 5.13 is refused, by its name; one that names itself otherwise is not",
        arguments: [
            ("5.10.0-32-amd64", false), ("5.12.19", false), ("4.18.0-553.el8_10.x86_64", false), ("5.13.0", true),
            ("5.14.0-611.el9.x86_64", true), ("6.18.44", true), ("", true), ("next", true),
        ])
    func minimum(_ text: String, _ begins: Bool) {
        #expect((KernelRelease.refusal(text) == nil) == begins)
        if !begins { #expect(KernelRelease.refusal(text)?.contains(text) == true) }
    }

    @Test("what this kernel lacks is what it does not do, and looking changes nothing")
    func limits() throws {
        let bench = try KernelBench()
        let generation = try bench.kernel.generation()
        let limits = bench.kernel.limits(wantsOwnTables: false)
        #expect(try bench.kernel.generation() == generation)
        let set = Tables.services
        try bench.load([Tables.single(.ipv4, set, [])])
        var removal = Transaction(tableName: "fairlead")
        removal.append(.ipv4, .destroyElements(set, [Tables.frontend(0)]))
        let takesIt = (try? bench.kernel.commit(removal, expecting: nil)) != nil
        #expect(limits.contains(.strictRemoval) == !takesIt, "\(KernelRelease.text)")
        #expect(!limits.contains(.ownerlessTables))
        // Between Linux 6.12 and 6.18 it is not known; there is no line then.
        #expect(!limits.contains(.uncountedSets) || !KernelBench.tellsCounts, "\(KernelRelease.text)")
        #expect(limits.contains(.uncountedSets) == !KernelRelease.isAtLeast(6, 13), "\(KernelRelease.text)")
    }

    @Test("tables that cannot be owned are told where they are wanted")
    func ownership() throws {
        let bench = try KernelBench()
        // A connection that makes plain tables is as one on a kernel without owners.
        #expect(bench.kernel.limits(wantsOwnTables: true).contains(.ownerlessTables))
    }
}
