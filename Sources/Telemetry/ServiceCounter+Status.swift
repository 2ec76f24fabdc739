import KubernetesModel

extension NodeStatus {
    /// Frontends that refuse new connections, those with the highest rate first, then with the most packets.
    public static func refused(in reading: CounterReading) -> [Refused] {
        reading.counters.filter(\.event.isRefusal).map { counter in
            Refused(
                namespace: counter.service.namespace, name: counter.service.name, port: counter.port,
                frontend: counter.frontend, verdict: counter.event == .rejected ? "rejected" : "dropped",
                sources: counter.event == .droppedOutside ? "outside" : "all", packets: counter.packets,
                rate: reading.rate(of: counter))
        }.sorted {
            let (left, right) = ($0.rate ?? 0, $1.rate ?? 0)
            if left != right { return left > right }
            if $0.packets != $1.packets { return $0.packets > $1.packets }
            return ($0.namespace, $0.name, $0.frontend) < ($1.namespace, $1.name, $1.frontend)
        }
    }

    /// Services by new connections, those with the highest rate first, then with the most connections.
    public static func busiest(in reading: CounterReading) -> [Busy] {
        var sums: [ObjectKey: Busy] = [:]
        for counter in reading.counters where counter.event == .connection {
            let key = counter.service
            var sum =
                sums[key]
                ?? Busy(
                    namespace: key.namespace, name: key.name, connections: 0,
                    rate: reading.interval == nil ? nil : 0)
            sum.connections += counter.packets
            if let rate = reading.rate(of: counter) { sum.rate = (sum.rate ?? 0) + rate }
            sums[key] = sum
        }
        return sums.values.sorted {
            let (left, right) = ($0.rate ?? 0, $1.rate ?? 0)
            if left != right { return left > right }
            if $0.connections != $1.connections { return $0.connections > $1.connections }
            return ($0.namespace, $0.name) < ($1.namespace, $1.name)
        }
    }

    /// Services by the bytes of their connections, those with the highest rate first, then with the most bytes.
    public static func traffic(in reading: CounterReading) -> [Traffic] {
        var sums: [ObjectKey: Traffic] = [:]
        for counter in reading.counters {
            let key = counter.service
            var sum =
                sums[key]
                ?? Traffic(namespace: key.namespace, name: key.name, rate: reading.interval == nil ? nil : 0)
            switch counter.event {
            case .bytesIn: sum.bytesIn += counter.packets
            case .bytesOut: sum.bytesOut += counter.packets
            case .packetsIn: sum.packetsIn += counter.packets
            case .packetsOut: sum.packetsOut += counter.packets
            case .connection, .rejected, .dropped, .droppedOutside: continue
            }
            if [.bytesIn, .bytesOut].contains(counter.event), let rate = reading.rate(of: counter) {
                sum.rate = (sum.rate ?? 0) + rate
            }
            sums[key] = sum
        }
        return sums.values.sorted {
            let (left, right) = ($0.rate ?? 0, $1.rate ?? 0)
            if left != right { return left > right }
            if $0.bytes != $1.bytes { return $0.bytes > $1.bytes }
            return ($0.namespace, $0.name) < ($1.namespace, $1.name)
        }
    }
}
