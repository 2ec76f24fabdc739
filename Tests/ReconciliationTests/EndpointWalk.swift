import DataplaneTestKit
import KubernetesModel
import Netfilter
import NetworkTypes

/// Services with several slices each, which change by chance: mostly a few endpoints of one slice.
struct EndpointWalk {
    private var random: SeededGenerator
    private var slices: [ObjectKey: EndpointSlice] = [:]

    private static let services = 6
    private static let parts = 4
    private static let names = ["", "dns"]

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// The objects to begin with.
    mutating func cluster() -> [ClusterObject] {
        var objects: [ClusterObject] = [Objects.node("east")]
        for number in 0..<Self.services {
            objects.append(service(number))
            for part in 0..<Self.parts { objects.append(.endpointSlice(fresh(number, part))) }
        }
        return objects
    }

    /// The Service that a change of a slice concerns.
    func owner(_ change: ClusterChange) -> ObjectKey? {
        if case .applied(.endpointSlice(let slice)) = change { slice.serviceKey } else { nil }
    }

    /// What happens next: one change, or several at once.
    mutating func step() -> [ClusterChange] {
        (0..<(random.oneIn(3) ? Int.random(in: 2...5, using: &random) : 1)).map { _ in change() }
    }

    private mutating func change() -> ClusterChange {
        let number = Int.random(in: 0..<Self.services, using: &random)
        let part = Int.random(in: 0..<Self.parts, using: &random)
        let key = Self.key(number, part)
        switch Int.random(in: 0..<60, using: &random) {
        case 0: return .applied(Objects.node(["east", "west", nil][number % 3]))
        case 1, 2: return .applied(service(number))
        case 3: return .deleted(service(number).id)
        case 4:
            slices[key] = nil
            return .deleted(ObjectID(kind: .endpointSlice, key: key))
        case 5, 6: return .applied(.endpointSlice(fresh(number, part)))
        default: break
        }
        var slice = slices[key] ?? fresh(number, part)
        if random.oneIn(40) {
            // Its endpoints are another Service's now.
            slice.serviceName = "s\((number + 1) % Self.services)"
        } else {
            change(&slice)
        }
        slices[key] = slice
        return .applied(.endpointSlice(slice))
    }

    private static func key(_ number: Int, _ part: Int) -> ObjectKey { Scene.key("s\(number)-\(part)") }

    // MARK: Services

    /// A Service with everything by chance that decides which endpoints are used how.
    private mutating func service(_ number: Int) -> ClusterObject {
        guard case .service(var service) = Objects.randomService(number, &random) else { return Objects.service("") }
        service.isHeadless = false
        let transport: TransportProtocol = [.tcp, .udp, .sctp][number % 3]
        service.ports[0].transport = transport
        if random.oneIn(2) { service.ports.append(ServicePort(name: "dns", transport: .udp, port: 53)) }
        if service.type == .loadBalancer, random.oneIn(2) {
            service.loadBalancerIngress = Scene.families.map { .init(address: Scene.address($0, 3, number)) }
            service.healthCheckNodePort = UInt16(31_000 + number)
        }
        let values: [(String, [String])] = [
            (Service.externalTrafficAnnotation, [Service.preferLocal]),
            (Service.resetAnnotation, ["true", "false"]), (Service.datagramAnnotation, ["move", "stay"]),
            (Service.noEndpointsAnnotation, ["pass", "drop"]),
        ]
        for (annotation, texts) in values where random.oneIn(4) {
            service.annotations[annotation] = texts.randomElement(using: &random)
        }
        return .service(service)
    }

    // MARK: Slices

    private mutating func fresh(_ number: Int, _ part: Int) -> EndpointSlice {
        let family = Scene.families[part == 3 ? 1 : 0]
        var slice = EndpointSlice(key: Self.key(number, part), serviceName: "s\(number)", addressFamily: family)
        slice.ports = Self.names.map { EndpointPort(name: $0, transport: [.tcp, .udp, .sctp][number % 3], port: 8080) }
        slice.ports[1].transport = .udp
        // Two numbers behind one name: a pod's address may have both.
        if random.oneIn(4) { slice.ports[0].port = 9090 }
        if random.oneIn(12) { slice.ports[0].port = nil }
        slice.endpoints = (0..<Int.random(in: 0...8, using: &random)).map { _ in endpoint(family) }
        slices[slice.key] = slice
        return slice
    }

    /// Few addresses, so that several entries of one slice, and of several, name the same endpoint.
    private mutating func endpoint(_ family: IPFamily) -> Endpoint {
        var endpoint = Endpoint(address: Scene.address(family, 1, Int.random(in: 1...24, using: &random)))
        endpoint.nodeName = [nil, "here", "here", "there", "there", "elsewhere"].randomElement(using: &random) ?? nil
        condition(&endpoint)
        hint(&endpoint)
        return endpoint
    }

    private mutating func condition(_ endpoint: inout Endpoint) {
        endpoint.isReady = !random.oneIn(4)
        endpoint.isTerminating = random.oneIn(4)
        endpoint.isServing = !random.oneIn(4)
    }

    /// Mostly for everybody, so that hints are in force now and then.
    private mutating func hint(_ endpoint: inout Endpoint) {
        if random.oneIn(12) { return endpoint.hints = nil }
        endpoint.hints = Endpoint.Hints(
            zones: ["east", "west", "south"].filter { _ in random.oneIn(2) },
            nodes: random.oneIn(2) ? ["here", "there"].filter { _ in random.oneIn(2) } : [])
    }

    /// Changes one endpoint of a slice, or some.
    private mutating func change(_ slice: inout EndpointSlice) {
        let family = slice.addressFamily ?? .ipv4
        for _ in 0..<(random.oneIn(3) ? 3 : 1) {
            let index = slice.endpoints.indices.randomElement(using: &random)
            switch (Int.random(in: 0..<8, using: &random), index) {
            case (0, let index?), (1, let index?): slice.endpoints.remove(at: index)
            case (2, let index?): condition(&slice.endpoints[index])
            case (3, let index?): hint(&slice.endpoints[index])
            case (4, let index?): slice.endpoints[index].nodeName = random.oneIn(2) ? "here" : "there"
            case (5, let index?): slice.endpoints[index] = endpoint(family)
            case (6, _): slice.endpoints.shuffle(using: &random)
            default: slice.endpoints.append(endpoint(family))
            }
        }
    }

    // MARK: Flows

    /// Flows to all frontends of a few kinds, by way of all endpoints that there can be, and by none.
    static let flows: [TrackedFlow] = Scene.families.flatMap { family in
        let client = Scene.address(family, 7, 1)
        let frontends = (1...services).map { Scene.address(family, 0, $0) } + [Scene.address(family, 9, 1)]
        return frontends.flatMap { frontend in
            [(TransportProtocol.tcp, 80), (.udp, 80), (.sctp, 80), (.udp, 53), (.tcp, 30_001), (.udp, 30_002)]
                .flatMap { transport, port in
                    let targets = (1...24).flatMap { number in
                        [8080, 9090].map { (Scene.address(family, 1, number), UInt16($0)) }
                    }
                    return (targets + [(frontend, UInt16(port))]).map { target, targetPort in
                        TrackedFlow(
                            transport, from: client, 1234, to: frontend, UInt16(port), target: target, targetPort)
                    }
                }
        }
    }
}
