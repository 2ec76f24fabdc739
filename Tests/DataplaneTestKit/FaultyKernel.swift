import Netfilter
import NetworkTypes

/// A kernel behind a way that fails when a test wants it to.
public final class FaultyKernel<Base: DataplaneKernel>: DataplaneKernel {
    /// What is asked of the kernel.
    public enum Call: CaseIterable, Sendable {
        case generation, ownership, observe, commit, elements, discard, check
    }

    private let base: Base
    /// Asked before each call: what it returns, the call fails with, and the kernel never hears of it.
    public var before: (Call) -> Base.Failure? = { _ in nil }
    /// Asked after each call: what it returns, the call fails with, although the kernel has done what was asked.
    public var after: (Call) -> Base.Failure? = { _ in nil }
    /// What the kernel gets in place of a transaction.
    public var tamper: (Transaction) -> Transaction = { $0 }
    /// How many calls failed.
    public private(set) var faults = 0

    /// A way without faults.
    public init(_ base: Base) { self.base = base }

    private func perform<Result>(
        _ call: Call, _ body: () throws(Base.Failure) -> Result
    ) throws(Base.Failure) -> Result {
        if let fault = before(call) {
            faults += 1
            throw fault
        }
        let result = try body()
        if let fault = after(call) {
            faults += 1
            throw fault
        }
        return result
    }

    /// The kernel's own.
    public var elementCapacity: Int { base.elementCapacity }

    /// The number of the current ruleset.
    public func generation() throws(Base.Failure) -> UInt32 {
        try perform(.generation) { () throws(Base.Failure) in try base.generation() }
    }

    /// Who may change the tables.
    public func ownership(ofTable name: String) throws(Base.Failure) -> [IPFamily: TableOwnership] {
        try perform(.ownership) { () throws(Base.Failure) in try base.ownership(ofTable: name) }
    }

    /// Reads the tables.
    public func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(Base.Failure) -> Observation {
        try perform(.observe) { () throws(Base.Failure) in
            try base.observe(tableName: tableName, guesses: guesses, schemas: schemas)
        }
    }

    /// Carries a transaction out.
    public func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(Base.Failure) {
        try perform(.commit) { () throws(Base.Failure) in
            try base.commit(tamper(transaction), expecting: generation)
        }
    }

    /// Reads the elements of one set.
    public func elements(of set: SetDeclaration, in schema: TableSchema) throws(Base.Failure) -> ObservedElements {
        try perform(.elements) { () throws(Base.Failure) in try base.elements(of: set, in: schema) }
    }

    /// Reads elements by key.
    public func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(Base.Failure) -> [ElementKey: ObservedElement] {
        try perform(.elements) { () throws(Base.Failure) in try base.elements(of: set, in: schema, keys: keys) }
    }

    /// Removes elements that may be gone already.
    public func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(Base.Failure) -> Int {
        try perform(.discard) { () throws(Base.Failure) in
            try base.discard(elements, in: schema, expecting: generation)
        }
    }

    /// Judges a transaction.
    public func check(_ transaction: Transaction) throws(Base.Failure) {
        try perform(.check) { () throws(Base.Failure) in try base.check(transaction) }
    }
}
