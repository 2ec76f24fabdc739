import KubernetesModel
import NetworkTypes
import ServicePolicy

/// The record of a Service as most are, in one piece of memory: a fraction of what its arrays take.
///
/// It is unpacked when the Service changes, which costs that Service anyway.
struct PackedService: Sendable {
    /// What `ResolvedService` has by these names.
    let key: ObjectKey
    let creationTime: CreationTime
    private let words: [UInt64]

    /// Longer lists are changed in place (`Dataplane.takesEndpoints`), which what is packed cannot be.
    private static let longestList = 64
    /// The bytes of a name that fit.
    private static let longestName = 15

    /// Packs a record; nil if it has something that few have.
    init?(_ record: Dataplane.Record) {
        guard record.lost.isEmpty, record.pools.isEmpty, record.direct.isEmpty,
            record.resolved.ports.allSatisfy(Self.canPack)
        else { return nil }
        key = record.resolved.key
        creationTime = record.resolved.creationTime
        var writer = Writer()
        for port in record.resolved.ports { writer.append(port) }
        // Of the exact size.
        words = writer.words.withUnsafeBufferPointer { Array($0) }
    }

    /// The record that was packed.
    var record: Dataplane.Record {
        var reader = Reader(words: words)
        var ports: [ResolvedServicePort] = []
        while !reader.isAtEnd { ports.append(reader.port()) }
        return Dataplane.Record(resolved: ResolvedService(key: key, creationTime: creationTime, ports: ports))
    }

    private static func canPack(_ port: ResolvedServicePort) -> Bool {
        guard port.directReturn == nil, port.affinityTimeout == nil, port.sourceRanges == nil,
            port.name.utf8.count <= longestName, port.hairpinAddresses.count <= longestList,
            port.frontends.count <= longestList,
            port.frontends.allSatisfy({ $0.address == nil || $0.address?.family == port.family }),
            port.hairpinAddresses.allSatisfy({ $0.family == port.family })
        else { return false }
        let lists = [port.usable, port.clusterPool, port.localPool, port.localUsable, port.flowTargets ?? []]
        return lists.allSatisfy { list in
            list.count <= longestList && list.allSatisfy { $0.address.family == port.family }
        }
    }

    // MARK: Form

    /// How a list of endpoints is kept.
    private enum ListForm: UInt64 {
        case itself
        case sameAsUsable
    }

    /// The first word of a port: numbers of some bits each, from the lowest on.
    private struct Head {
        var bits: UInt64 = 0
        private var shift: UInt64 = 0

        init(bits: UInt64 = 0) { self.bits = bits }

        mutating func append(_ number: some BinaryInteger, bits count: UInt64) {
            bits |= UInt64(number) << shift
            shift += count
        }

        mutating func take(_ count: UInt64) -> UInt64 {
            defer { shift += count }
            return bits >> shift & (1 << count - 1)
        }
    }

    private struct Writer {
        var words: [UInt64] = []

        mutating func append(_ port: ResolvedServicePort) {
            func form(_ list: [Backend]) -> ListForm { list == port.usable ? .sameAsUsable : .itself }
            let name = Array(port.name.utf8)
            var head = Head()
            head.append(name.count, bits: 4)
            head.append(port.transport.rawValue, bits: 8)
            head.append(port.family.rawValue, bits: 4)
            head.append(port.frontends.count, bits: 8)
            head.append(port.internalPolicy == .local ? 1 : 0, bits: 1)
            head.append(port.externalPolicy == .local ? 1 : 0, bits: 1)
            head.append(port.prefersLocal ? 1 : 0, bits: 1)
            head.append(port.noEndpointAction.number, bits: 2)
            let lists = [port.clusterPool, port.localPool, port.localUsable]
            for list in lists { head.append(form(list).rawValue, bits: 1) }
            head.append(port.flowTargets == nil ? 0 : 1, bits: 1)
            if let targets = port.flowTargets { head.append(form(targets).rawValue, bits: 1) }
            words.append(head.bits)
            for start in stride(from: 0, to: name.count, by: 8) {
                words.append(name[start..<min(start + 8, name.count)].reversed().reduce(0) { $0 << 8 | UInt64($1) })
            }
            for frontend in port.frontends { append(frontend) }
            append(port.usable, port.family)
            for list in lists where form(list) == .itself { append(list, port.family) }
            if let targets = port.flowTargets, form(targets) == .itself { append(targets, port.family) }
            words.append(UInt64(port.hairpinAddresses.count))
            for address in port.hairpinAddresses { append(address, number: 0) }
        }

        private mutating func append(_ frontend: Frontend) {
            let number = UInt64(frontend.port) | UInt64(frontend.kind.rawValue) << 16
            if let address = frontend.address {
                append(address, number: number | 1 << 20)
            } else {
                words.append(number)
            }
        }

        private mutating func append(_ list: [Backend], _ family: IPFamily) {
            words.append(UInt64(list.count))
            for backend in list { append(backend.address, number: UInt64(backend.port)) }
        }

        /// An address with a number of 32 bits: one word in IPv4, three in IPv6.
        private mutating func append(_ address: IPAddress, number: UInt64) {
            switch address {
            case .v4(let address): words.append(number | UInt64(address.rawValue) << 32)
            case .v6(let address): words += [number, address.high, address.low]
            }
        }
    }

    private struct Reader {
        let words: [UInt64]
        private var position = 0

        init(words: [UInt64]) { self.words = words }

        var isAtEnd: Bool { position == words.count }

        private mutating func word() -> UInt64 {
            defer { position += 1 }
            return words[position]
        }

        mutating func port() -> ResolvedServicePort {
            var head = Head(bits: word())
            let nameCount = Int(head.take(4))
            let transport = TransportProtocol(rawValue: UInt8(head.take(8))) ?? .tcp
            let family = IPFamily(rawValue: UInt8(head.take(4))) ?? .ipv4
            let frontends = Int(head.take(8))
            let policies = (head.take(1), head.take(1))
            let prefersLocal = head.take(1) == 1
            let action = Service.NoEndpointAction(number: head.take(2))
            let forms = (0..<3).map { _ in ListForm(rawValue: head.take(1)) ?? .itself }
            let flowForm = head.take(1) == 1 ? ListForm(rawValue: head.take(1)) : nil
            var port = ResolvedServicePort(name: name(nameCount), transport: transport, family: family)
            (port.internalPolicy, port.externalPolicy) = (
                policies.0 == 1 ? .local : .cluster, policies.1 == 1 ? .local : .cluster
            )
            (port.prefersLocal, port.noEndpointAction) = (prefersLocal, action)
            port.frontends.reserveCapacity(frontends)
            for _ in 0..<frontends { port.frontends.append(frontend(family)) }
            port.usable = list(family)
            let lists = forms.map { $0 == .sameAsUsable ? port.usable : list(family) }
            (port.clusterPool, port.localPool, port.localUsable) = (lists[0], lists[1], lists[2])
            port.flowTargets = flowForm.map { $0 == .sameAsUsable ? port.usable : list(family) }
            let count = Int(word())
            port.hairpinAddresses.reserveCapacity(count)
            for _ in 0..<count { port.hairpinAddresses.append(address(word(), family)) }
            return port
        }

        private mutating func name(_ count: Int) -> String {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(count)
            for start in stride(from: 0, to: count, by: 8) {
                var word = word()
                for _ in start..<min(start + 8, count) {
                    bytes.append(UInt8(truncatingIfNeeded: word))
                    word >>= 8
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        private mutating func frontend(_ family: IPFamily) -> Frontend {
            let first = word()
            return Frontend(
                kind: Frontend.Kind(rawValue: UInt8(first >> 16 & 0xF)) ?? .clusterIP,
                address: first >> 20 & 1 == 1 ? address(first, family) : nil, port: UInt16(first & 0xFFFF))
        }

        private mutating func list(_ family: IPFamily) -> [Backend] {
            let count = Int(word())
            var list: [Backend] = []
            list.reserveCapacity(count)
            for _ in 0..<count {
                let first = word()
                list.append(Backend(address: address(first, family), port: UInt16(first & 0xFFFF)))
            }
            return list
        }

        /// The address that begins with a word.
        private mutating func address(_ first: UInt64, _ family: IPFamily) -> IPAddress {
            switch family {
            case .ipv4: return .v4(IPv4Address(rawValue: UInt32(first >> 32)))
            case .ipv6:
                let high = word()
                return .v6(IPv6Address(high: high, low: word()))
            }
        }
    }
}

extension Service.NoEndpointAction {
    fileprivate var number: UInt64 {
        switch self {
        case .reject: 0
        case .drop: 1
        case .pass: 2
        }
    }

    fileprivate init(number: UInt64) {
        switch number {
        case 1: self = .drop
        case 2: self = .pass
        default: self = .reject
        }
    }
}
