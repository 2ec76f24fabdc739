import KubernetesModel

/// `metadata` of an object, as far as it matters. Its texts are a part of what is being decoded.
struct MetadataRecord {
    /// What only advice reads.
    struct Details {
        var labels: [String: String] = [:]
        var annotations: [String: String] = [:]
    }

    var name = Bytes.none
    var namespace = Bytes.none
    var resourceVersion = Bytes.none
    /// Seconds since 1970.
    var created: Int64?
    var isBeingDeleted = false

    /// The labels that mean something; nil if the object has none of the kind.
    var serviceName: Bytes?
    var isHeadless = false
    var serviceProxyName: Bytes?
    var zone: Bytes?
    var isExcludedFromLoadBalancers = false

    /// The annotations that mean something.
    var sourceRanges: Bytes?
    var lastChangeTrigger: Bytes?
    var weight: Bytes?
    var own: [String: String] = [:]
    /// All labels and annotations; nil unless somebody asked for them before.
    var details: Details?
    /// `k8s.io/initial-events-end: "true"`: this bookmark ends what a watch begins with (KEP-3157).
    var endsInitialEvents = false

    /// Reads `ObjectMeta`.
    mutating func read(_ message: Bytes) throws(WireError) {
        var reader = WireReader(message)
        while try reader.advance() {
            switch reader.field {
            case 1: name = try reader.bytes()
            case 3: namespace = try reader.bytes()
            case 6: resourceVersion = try reader.bytes()
            case 8: created = try WireTime.seconds(reader.bytes())
            case 9:
                _ = try reader.bytes()
                isBeingDeleted = true
            case 11: readLabel(try reader.entry())
            case 12: readAnnotation(try reader.entry())
            default: break
            }
        }
    }

    private mutating func readLabel(_ entry: (key: Bytes, value: Bytes)) {
        details?.labels[entry.key.text] = entry.value.text
        if entry.key.equals(MetadataKey.serviceName) {
            serviceName = entry.value
        } else if entry.key.equals(MetadataKey.headless) {
            isHeadless = true
        } else if entry.key.equals(MetadataKey.serviceProxyName) {
            serviceProxyName = entry.value
        } else if entry.key.equals(MetadataKey.zone) {
            zone = entry.value
        } else if entry.key.equals(MetadataKey.excludedFromLoadBalancers) {
            isExcludedFromLoadBalancers = true
        }
    }

    private mutating func readAnnotation(_ entry: (key: Bytes, value: Bytes)) {
        if details != nil, !entry.key.equals(MetadataKey.lastApplied) {
            details?.annotations[entry.key.text] = entry.value.text
        }
        if entry.key.equals(MetadataKey.sourceRanges) {
            sourceRanges = entry.value
        } else if entry.key.equals(MetadataKey.lastChangeTrigger) {
            lastChangeTrigger = entry.value
        } else if entry.key.equals(MetadataKey.weight) {
            weight = entry.value
        } else if entry.key.equals("k8s.io/initial-events-end") {
            endsInitialEvents = entry.value.equals("true")
        } else if entry.key.hasPrefix(MetadataKey.ownPrefix) {
            own[entry.key.text] = entry.value.text
        }
    }
}

extension MetadataRecord {
    /// Reads only `metadata`, field 1 of every object.
    init(object: Bytes) throws(WireError) {
        var reader = WireReader(object)
        while try reader.advance(to: 1) { try read(reader.bytes()) }
    }

    /// What names the object. Names that break the rules are made printable, so that they forge no log lines.
    func id(_ kind: ObjectID.Kind, _ pool: inout TextPool) -> ObjectID {
        var key = ObjectKey(name: name.text)
        if !kind.nameRule.accepts(key.name) { key.name = key.name.printable }
        if kind.isNamespaced {
            key.namespace = pool.text(namespace)
            if !NameRule.label.accepts(key.namespace) { key.namespace = key.namespace.printable }
        }
        return ObjectID(kind: kind, key: key)
    }

    /// Throws if the names break the rules.
    func check(_ id: ObjectID) throws(FieldProblem) {
        try id.kind.nameRule.check(id.key.name, at: FieldPath("metadata", "name"))
        if id.kind.isNamespaced {
            try NameRule.label.check(id.key.namespace, at: FieldPath("metadata", "namespace"))
        }
    }
}
