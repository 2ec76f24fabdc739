import Netfilter
import NetworkTypes
import ServicePolicy

extension ServiceElements {
    /// Makes the slots of a frontend with direct return.
    func makeDirect(
        _ frontend: KeyBuilder, _ slots: DirectSlots, _ port: ResolvedServicePort, _ comment: String,
        _ sink: inout some ServiceElementSink
    ) {
        sink.take(.directFrontends, Element(frontend.key, comment: comment))
        sink.take(.directErrorFrontends, Element(frontend.key))
        if port.affinityTimeout != nil {
            sink.take(.directByAddress, Element(frontend.key, comment: comment))
            sink.take(.directErrorsByAddress, Element(frontend.key))
        }
        if port.directReturn?.keepsLocal ?? false { sink.take(.directKept, Element(frontend.key, comment: comment)) }
        let here = Set(port.localUsable.map(\.address))
        let isHere = slots.members.map { here.contains($0.address) }
        for slot in slots.owners.indices {
            var key = frontend
            key.append(slot: UInt32(slot))
            let owner = slots.owner(slot)
            if isHere[Int(slots.owners[slot])] {
                sink.take(.directHere, Element(key.key))
                // Without it nothing new is translated, and what conntrack knows goes on.
                if !slots.isDrained { sink.take(.directTargets, Element(key.key, data: Self.data(of: owner))) }
            } else {
                sink.take(.directOwners, Element(key.key, data: Self.data(of: owner.address)))
                sink.take(.directErrorOwners, Element(key.key, data: Self.data(of: owner.address)))
            }
            if let earlier = slots.earlier[UInt16(slot)] {
                sink.take(.directEarlier, Element(key.key, data: Self.data(of: earlier)))
                sink.take(.directErrorEarlier, Element(key.key, data: Self.data(of: earlier)))
            }
        }
    }

    private static func data(of address: IPAddress) -> ElementData {
        var data = KeyBuilder()
        data.append(address)
        return data.key
    }
}
