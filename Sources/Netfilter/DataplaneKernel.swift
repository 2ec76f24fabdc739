import NetworkTypes

/// Where tables are observed and transactions carried out: the kernel, or a stand-in in tests.
public protocol DataplaneKernel: AnyObject {
    /// Why it refused.
    associatedtype Failure: DataplaneKernelError

    /// About how many elements one transaction can carry.
    var elementCapacity: Int { get }

    /// The number of the current ruleset; every commit that changes anything, by anyone, adds one.
    func generation() throws(Failure) -> UInt32

    /// Who may change the tables of that name, by family; none of a family that has no such table.
    func ownership(ofTable name: String) throws(Failure) -> [IPFamily: TableOwnership]

    /// Reads what there is of the tables, and the generation that it belongs to.
    ///
    /// - Parameters:
    ///   - tableName: the name of the tables, the same in each family.
    ///   - guesses: how to find the elements of large sets. What is found does not depend on it, only the time.
    ///   - schemas: makes the schemas to compare with from the names of the sets and chains that each family's table has.
    func observe(
        tableName: String, guesses: ElementGuesses, schemas: ([IPFamily: Set<String>]) -> [TableSchema]
    ) throws(Failure) -> Observation

    /// Carries a transaction out, whole or not at all.
    ///
    /// - Parameter generation: if given, refuse unless the ruleset is of this generation.
    func commit(_ transaction: Transaction, expecting generation: UInt32?) throws(Failure)

    /// Has a transaction carried out, perhaps while the caller goes on. Transactions are carried out in order, none after one
    /// that was refused. Until `settle` has returned or anything has failed, nothing but `submit` may be called.
    ///
    /// - Parameters:
    ///   - generation: as for `commit`.
    ///   - done: is told, by a later call on the same thread, how long it took, if it was carried out.
    /// - Throws: why this transaction or one before it was refused.
    func submit(
        _ transaction: Transaction, expecting generation: UInt32?, done: @escaping (Duration) -> Void
    ) throws(Failure)

    /// Waits until everything that was submitted is carried out.
    ///
    /// - Throws: why one of the transactions was refused.
    func settle() throws(Failure)

    /// Reads the elements of one set, with those that packets have added: once, so that some may be missing if they change meanwhile.
    func elements(of set: SetDeclaration, in schema: TableSchema) throws(Failure) -> ObservedElements

    /// Reads those elements of a set that have one of the keys, each as it is when the kernel comes to it.
    func elements(
        of set: SetDeclaration, in schema: TableSchema, keys: [ElementKey]
    ) throws(Failure) -> [ElementKey: ObservedElement]

    /// Removes elements that may be gone already, of all sets together or not at all.
    ///
    /// - Parameter generation: refuse unless the ruleset is of this generation.
    /// - Returns: the number of transactions that it took.
    func discard(
        _ elements: [(set: SetDeclaration, elements: [Element])], in schema: TableSchema, expecting generation: UInt32
    ) throws(Failure) -> Int

    /// Judges a transaction without carrying it out.
    func check(_ transaction: Transaction) throws(Failure)
}

extension DataplaneKernel {
    /// No limit.
    public var elementCapacity: Int { .max }

    /// Commits at once, and does not measure how long it takes.
    public func submit(
        _ transaction: Transaction, expecting generation: UInt32?, done: @escaping (Duration) -> Void
    ) throws(Failure) {
        try commit(transaction, expecting: generation)
        done(.zero)
    }

    /// Nothing waits.
    public func settle() throws(Failure) {}
}

/// Why a kernel refused.
public protocol DataplaneKernelError: Error, Sendable {
    /// Whether somebody else committed first, so that another look and another try will do.
    var isStaleGeneration: Bool { get }

    /// The elements that are to blame, if nothing else is: without them the kernel might take the transaction. There may
    /// be more of them than it tells at once.
    var refusedElements: [RefusedElement] { get }
}

extension DataplaneKernelError {
    /// None.
    public var refusedElements: [RefusedElement] { [] }
}

/// What was observed of the tables at one moment.
public struct Observation: Sendable {
    /// The tables.
    public var tables: [IPFamily: ObservedTable]
    /// The generation of the ruleset that they are of.
    public var generation: UInt32

    /// Makes an observation.
    public init(tables: [IPFamily: ObservedTable], generation: UInt32) {
        self.tables = tables
        self.generation = generation
    }
}
