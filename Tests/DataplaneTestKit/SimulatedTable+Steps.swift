import Netfilter
import NetworkTypes

extension SimulatedTable {
    mutating func apply(_ operation: Operation) throws(SimulatedRefusal) {
        switch operation {
        case .addTable, .claimTable, .deleteTable: break
        case .addSet(let set):
            // Only the size of a set can be changed, and only a set that packets fill has one.
            if let found = sets[set.name] {
                try require(found.declaration.hasForm(of: set), "set \(set.name) exists")
                try require(found.declaration.size != set.size, "set \(set.name) exists")
                sets[set.name]?.declaration.size = set.size
            } else {
                sets[set.name] = SimulatedSet(set)
            }
        case .deleteSet(let name):
            try require(sets[name] != nil, "no set \(name)")
            try require(!usesSet(name), "set \(name) is in use")
            sets[name] = nil
        case .addChain(let chain):
            try require(chains[chain.name] == nil, "chain \(chain.name) exists")
            chains[chain.name] = chain
            chains[chain.name]?.rules = []
        case .setRules(let chain): try setRules(chain)
        case .deleteChain(let name):
            try require(chains[name] != nil, "no chain \(name)")
            try require(!leadsTo(name), "chain \(name) is in use")
            chains[name] = nil
        case .flushChain(let name):
            try require(chains[name] != nil, "no chain \(name)")
            chains[name]?.rules = []
        case .addElements(let set, let elements): try add(elements, to: set)
        case .deleteElements(let set, let elements): try delete(elements, from: set)
        case .destroyElements(let set, let elements):
            for element in elements { sets[set.name]?.elements[element.key] = nil }
        }
    }

    private mutating func setRules(_ chain: Chain) throws(SimulatedRefusal) {
        try require(chains[chain.name] != nil, "no chain \(chain.name)")
        for statement in chain.rules.lazy.flatMap({ $0 }) {
            switch statement {
            case .lookup(let key, let set, _): try requireSet(set, key: key, isMap: false)
            case .destinationNAT(let key, let map), .setPriority(let key, let map), .dispatch(let key, let map):
                try requireSet(map, key: key, isMap: true)
            case .update(let key, let set, let data, _): try requireSet(set, key: key, isMap: !data.isEmpty)
            case .destinationNATFromTwo(let key, let addresses, let ports):
                try requireSet(addresses, key: key, isMap: true)
                try requireSet(ports, key: key, isMap: true)
            case .jump(let target), .goto(let target):
                try require(chains[target] != nil, "chain \(chain.name) leads to no chain \(target)")
                try require(chains[target]?.hook == nil, "chain \(chain.name) leads to base chain \(target)")
            default: break
            }
        }
        chains[chain.name]?.rules = chain.rules
    }

    private func requireSet(_ name: String, key: [Selector], isMap: Bool) throws(SimulatedRefusal) {
        guard let set = sets[name] else { throw .impossible("a rule looks up no set \(name)") }
        try require(set.declaration.isMap == isMap, "a rule takes \(name) for what it is not")
        try require(
            set.declaration.key.map(\.valueType) == key.map(\.valueType), "a rule looks up \(name) with another key")
    }

    private mutating func add(_ elements: [Element], to set: SetDeclaration) throws(SimulatedRefusal) {
        guard sets[set.name]?.declaration.isDeclared(as: set) == true else {
            throw .impossible("no set \(set.name) declared in this way")
        }
        for element in elements {
            try require((element.data != nil) == set.isMap, "set \(set.name): data do not fit")
            try require((element.keyEnd != nil) == set.isInterval, "set \(set.name): interval does not fit")
            if let end = element.keyEnd { try requireFree(from: element.key, to: end, in: set) }
            let old = sets[set.name]?.elements.updateValue(element, forKey: element.key)
            try require(old == nil, "set \(set.name): element \(element.key) exists")
        }
        for name in sets[set.name]?.chains ?? [] {
            try require(chains[name]?.hook == nil && chains[name] != nil, "set \(set.name) leads to no chain \(name)")
        }
    }

    private func requireFree(
        from first: ElementKey, to last: ElementKey, in set: SetDeclaration
    ) throws(SimulatedRefusal) {
        try require(!(last < first), "set \(set.name): interval ends before it starts")
        for other in sets[set.name]?.elements.values ?? [:].values {
            let overlaps = !(last < other.key) && !((other.keyEnd ?? other.key) < first)
            try require(!overlaps, "set \(set.name): intervals overlap")
        }
    }

    private mutating func delete(_ elements: [Element], from set: SetDeclaration) throws(SimulatedRefusal) {
        guard sets[set.name]?.declaration.isDeclared(as: set) == true else {
            throw .impossible("no set \(set.name) declared in this way")
        }
        for element in elements {
            guard let old = sets[set.name]?.elements.removeValue(forKey: element.key) else {
                throw .impossible("set \(set.name): no element \(element.key)")
            }
            try require(old.keyEnd == element.keyEnd, "set \(set.name): no such interval")
        }
    }
}
