/// A value that is costly to make, made by the first who asks for it, and then the same for all.
///
/// A failure is remembered as well: every test that needs the value reports it.
public actor Shared<Value: Sendable> {
    private var task: Task<Result<Value, TestKitError>, Never>?
    private let make: @Sendable () async throws(TestKitError) -> Value

    /// Keeps the recipe.
    public init(_ make: @escaping @Sendable () async throws(TestKitError) -> Value) { self.make = make }

    /// The value.
    public func value() async throws(TestKitError) -> Value {
        if let task { return try await task.value.get() }
        let make = self.make
        let task = Task<Result<Value, TestKitError>, Never> {
            do throws(TestKitError) { return .success(try await make()) } catch { return .failure(error) }
        }
        self.task = task
        return try await task.value.get()
    }
}
