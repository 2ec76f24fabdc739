import KubernetesModel
import ServicePolicy

/// The records of all Services, packed where they can be.
struct RecordTable: Sendable {
    private enum Entry: CompactTableEntry {
        case packed(PackedService)
        indirect case whole(Dataplane.Record)

        var key: ObjectKey {
            switch self {
            case .packed(let service): service.key
            case .whole(let record): record.resolved.key
            }
        }

        var record: Dataplane.Record {
            switch self {
            case .packed(let service): service.record
            case .whole(let record): record
            }
        }
    }

    private var entries = CompactTable<Entry>()

    /// How many records there are.
    var count: Int { entries.count }

    /// The records, in no particular order.
    var values: some Sequence<Dataplane.Record> { entries.values.lazy.map(\.record) }

    /// Makes room for so many records.
    mutating func reserveCapacity(_ capacity: Int) { entries.reserveCapacity(capacity) }

    /// The record of a Service, which is not packed then.
    subscript(key: ObjectKey) -> Dataplane.Record? {
        get { entries[key]?.record }
        set { entries[key] = newValue.map { .whole($0) } }
    }

    /// Takes a record out: who has it then is its only owner.
    mutating func removeValue(forKey key: ObjectKey) -> Dataplane.Record? {
        guard let entry = entries.removeValue(forKey: key) else { return nil }
        switch consume entry {
        case .packed(let service): return service.record
        case .whole(let record): return record
        }
    }

    /// Packs the record of a Service that is not looked at any more.
    mutating func pack(_ key: ObjectKey) {
        guard case .whole(let record)? = entries[key], let packed = PackedService(record) else { return }
        entries[key] = .packed(packed)
    }
}
