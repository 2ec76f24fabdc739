import DataplaneTestKit
import FairleadTestKit
import KubernetesModel
import Netfilter
import NetworkTypes
import Reconciliation
import ServiceDataplane
import ServicePolicy
import Testing

@testable import NetlinkTransport

/// A fresh network namespace and its nftables.
struct KernelBench {
    let namespace: NetworkNamespace
    let kernel: NftablesKernel

    init(dumpLimit: Int = 2_000) throws {
        namespace = try NetworkNamespace("nftables")
        kernel = try Self.kernel(in: namespace, dumpLimit: dumpLimit)
    }

    /// A connection to the nftables of a namespace; its socket stays there.
    static func kernel(in namespace: NetworkNamespace, dumpLimit: Int = 2_000) throws -> NftablesKernel {
        let result: Result<NftablesKernel, NetlinkError> = try namespace.run {
            do throws(NetlinkError) {
                return .success(try NftablesKernel(dumpLimit: dumpLimit))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func observe(
        _ schemas: [TableSchema], guesses: ElementGuesses = ElementGuesses()
    ) throws -> [IPFamily: ObservedTable] {
        try kernel.observe(tableName: schemas.first?.name ?? "fairlead", guesses: guesses) { _ in schemas }.tables
    }

    /// Makes tables with elements in one transaction.
    func load(_ states: [TableState]) throws { try kernel.commit(Self.transaction(states), expecting: nil) }

    static func transaction(_ states: [TableState]) -> Transaction {
        var transaction = Transaction(tableName: states.first?.schema.name ?? "fairlead")
        for state in states {
            let (schema, family) = (state.schema, state.schema.family)
            transaction.append(family, .addTable(comment: schema.comment))
            for set in schema.sets { transaction.append(family, .addSet(set)) }
            for chain in schema.chains { transaction.append(family, .addChain(chain)) }
            for chain in schema.chains { transaction.append(family, .setRules(chain)) }
            for set in schema.sets { transaction.append(family, .addElements(set, state.elements[set.id] ?? [])) }
        }
        return transaction
    }
}

extension KernelBench {
    /// Whether the kernel tells how many elements a set has: only then sets are read by key.
    static let tellsCounts: Bool = {
        var isTold = false
        do {
            let bench = try KernelBench()
            try bench.load([Tables.single(.ipv4, Tables.services, [])])
            try bench.kernel.list(NFTMessage.getSet, family: 2, operation: "list sets") {
                $0.put(1, "fairlead")
            } handle: { message in
                if message.attributes.first(SetForm.countAttribute) != nil { isTold = true }
            }
        } catch {
            // Without namespaces the suite does not run at all.
            return false
        }
        return isTold
    }()
}

/// Tables to load.
enum Tables {
    static let options: DataplaneOptions = {
        var options = DataplaneOptions()
        options.localDetector = .clusterCIDRs(clusterCIDRs)
        return options
    }()

    /// A node with one address of each family by the default routes.
    static let host = HostFacts(
        addresses: [], primaries: [.ipv4: Scene.address(.ipv4, 9, 1), .ipv6: Scene.address(.ipv6, 9, 1)])

    private static let clusterCIDRs = [
        "10.0.0.0/16", "10.2.0.0/15", "255.255.255.255/32", "0.0.0.0/32", "fd00::/64", "fd00:0:0:2::/63", "::/128",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
    ].compactMap { CIDR($0) }

    /// Tables with elements by chance in every kind of set.
    static func random(seed: UInt64, count: Int = 12, options: DataplaneOptions = Tables.options) -> [TableState] {
        var services = RandomServices(seed: seed, count: count)
        var dataplane = Dataplane(options: options)
        var elements: [IPFamily: [SetID: [Element]]] = [:]
        func take(_ delta: DataplaneDelta) {
            for family in IPFamily.allCases {
                elements[family, default: [:]].merge(delta.tables[family].added) { $0 + $1 }
            }
        }
        take(dataplane.update(services.keys.map { ($0, services.service($0)) }))
        var node = NodeData()
        node.nodePortAddresses = Scene.families.map { Scene.address($0, 9, 1) }
        node.clusterCIDRs = clusterCIDRs
        node.serviceCIDRs = ["10.96.0.0/12", "10.250.0.0/16", "fd00:10::/112"].compactMap { CIDR($0) }
        take(dataplane.setNode(node))
        return IPFamily.allCases.map { family in
            for (set, fixed) in dataplane.optionElements(family) { elements[family, default: [:]][set] = fixed }
            return TableState(schema: dataplane.schema(family), elements: elements[family] ?? [:])
        }
    }

    /// A table with one set.
    static func single(_ family: IPFamily, _ set: SetDeclaration, _ elements: [Element]) -> TableState {
        TableState(
            schema: TableSchema(family: family, name: "fairlead", sets: [set], chains: []), elements: [set.id: elements]
        )
    }

    static let services = SetDeclaration(
        SetID(1), "services-4", key: [.destinationAddress, .transportProtocol, .destinationPort])

    /// `10.96.0.<number> . tcp . 80`, and so on beyond 255.
    static func frontend(_ number: Int, _ family: IPFamily = .ipv4) -> Element {
        let address: IPAddress =
            family == .ipv4
            ? .v4(IPv4Address(rawValue: 0x0A60_0000 + UInt32(number)))
            : .v6(IPv6Address(high: 0xFD00 << 48, low: UInt64(number)))
        return Element(Scene.frontend(address, 80).key)
    }
}

extension Transaction {
    /// A transaction of one step.
    init(_ family: IPFamily = .ipv4, _ operations: Netfilter.Operation...) {
        self.init(tableName: "fairlead")
        for operation in operations { append(family, operation) }
    }
}
