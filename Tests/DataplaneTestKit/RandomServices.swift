import KubernetesModel
import NetworkTypes
import ServicePolicy

/// Makes Services as policy could resolve them, from few addresses, so that frontends are contested and endpoints shared.
public struct RandomServices {
    /// The source of chance.
    public var random: SeededGenerator
    /// The names of the Services.
    public let keys: [ObjectKey]
    private let mostEndpoints: Int
    private let returnsDirectly: Bool

    /// Makes a generator.
    ///
    /// - Parameter directReturn: whether some ports are served by direct return.
    public init(seed: UInt64, count: Int, mostEndpoints: Int = 100, directReturn: Bool = false) {
        random = SeededGenerator(seed: seed)
        self.mostEndpoints = mostEndpoints
        returnsDirectly = directReturn
        keys = (0..<count).map { ObjectKey(namespace: ["default", "shop"][$0 % 2], name: "service-\($0)") }
    }

    /// Any Service's name.
    public mutating func key() -> ObjectKey { keys[Int.random(in: keys.indices, using: &random)] }

    /// A Service of that name with everything by chance.
    public mutating func service(_ key: ObjectKey) -> ResolvedService {
        let time = "2024-01-0\(Int.random(in: 1...3, using: &random))T00:00:00Z"
        var service = ResolvedService(key: key, creationTimestamp: time)
        var taken: Set<[String]> = []
        let names = ["", "http", "dns"]
        for family in Scene.families where !random.oneIn(4) {
            for number in 0..<Int.random(in: 1...2, using: &random) {
                let transport = TransportProtocol.allCases[Int.random(in: 0..<3, using: &random)]
                var port = ResolvedServicePort(name: names[number], transport: transport, family: family)
                port.frontends = frontends(family).filter {
                    let place = $0.address.map { "\($0)" } ?? "\(family)"
                    return taken.insert([place, "\($0.port)", transport.description]).inserted
                }
                fill(&port)
                service.ports.append(port)
            }
        }
        return service
    }

    /// The same Service with one port's endpoints and policies again.
    public mutating func change(_ service: ResolvedService) -> ResolvedService {
        var service = service
        guard let index = service.ports.indices.randomElement(using: &random) else { return service }
        fill(&service.ports[index])
        return service
    }

    private mutating func frontends(_ family: IPFamily) -> [Frontend] {
        let port = [UInt16(53), 80, 443][Int.random(in: 0..<3, using: &random)]
        func address(_ block: Int) -> IPAddress { Scene.address(family, block, Int.random(in: 1...6, using: &random)) }
        var result = [Frontend(kind: .clusterIP, address: address(0), port: port)]
        if random.oneIn(2) { result.append(Frontend(kind: .externalIP, address: address(2), port: port)) }
        if random.oneIn(2) { result.append(Frontend(kind: .loadBalancerIP, address: address(3), port: port)) }
        if random.oneIn(4) { result.append(Frontend(kind: .externalIP, address: address(0), port: port)) }
        if random.oneIn(2) {
            let number = UInt16.random(in: 30000...30004, using: &random)
            result.append(Frontend(kind: .nodePort, address: nil, port: number))
        }
        return result
    }

    private mutating func fill(_ port: inout ResolvedServicePort) {
        port.internalPolicy = random.oneIn(3) ? .local : .cluster
        port.externalPolicy = random.oneIn(2) ? .local : .cluster
        let numbers = (1...120).shuffled(using: &random).prefix(endpointCount())
        let usable = Scene.backends(port.family, numbers.sorted())
        port.usable = usable
        port.clusterPool = subset(of: usable)
        if port.clusterPool.isEmpty, let first = usable.first { port.clusterPool = [first] }
        port.localPool = subset(of: usable)
        if random.oneIn(3) {
            port.clusterPool = weighted(port.clusterPool)
            port.localPool = weighted(port.localPool)
            // All with weight 0: nobody takes new connections.
            if random.oneIn(8) { (port.clusterPool, port.localPool) = ([], []) }
        }
        port.hairpinAddresses = subset(of: usable).map(\.address)
        if returnsDirectly { fillDirect(&port) }
    }

    /// Slots are dealt to the endpoints that take new connections, or to all where none does; some have weights.
    private mutating func fillDirect(_ port: inout ResolvedServicePort) {
        port.localUsable = subset(of: port.usable)
        port.affinityTimeout = random.oneIn(3) ? 60 : nil
        port.directReturn = nil
        guard random.oneIn(2), !port.usable.isEmpty, port.frontends.contains(where: \.servesDirectReturn) else {
            return
        }
        let taking = Set(port.clusterPool).sorted()
        var spread = DirectReturn.Spread(members: taking.isEmpty ? port.usable : taking)
        spread.isDrained = taking.isEmpty
        if !spread.isDrained, random.oneIn(4) {
            let weights = Dictionary(
                uniqueKeysWithValues: port.usable.map { ($0, UInt16.random(in: 1...5, using: &random)) })
            spread.weights = spread.members.map { weights[$0] ?? 1 }
            spread.usableWeights = port.usable.map { weights[$0] ?? 1 }
        }
        port.directReturn = DirectReturn(spread, keepsLocal: port.externalPolicy == .local && !port.localPool.isEmpty)
    }

    /// As if the endpoints had weights: some several times.
    private mutating func weighted(_ pool: [Backend]) -> [Backend] {
        pool.flatMap { Array(repeating: $0, count: Int.random(in: 1...4, using: &random)) }
    }

    private mutating func endpointCount() -> Int {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: 0
        case 1...7: Int.random(in: 1...min(9, mostEndpoints), using: &random)
        default: Int.random(in: 0...mostEndpoints, using: &random)
        }
    }

    private mutating func subset(of backends: [Backend]) -> [Backend] {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: []
        case 1: backends
        default: backends.filter { _ in Bool.random(using: &random) }
        }
    }
}
