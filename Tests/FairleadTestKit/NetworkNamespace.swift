import CTestKit
import Glibc

/// A network namespace without a name. It ends with the last reference to it (and with the process, however that ends).
///
/// Sockets opened by ``run(_:)`` belong to the namespace for good and may be used from any thread afterwards.
public final class NetworkNamespace: Sendable {
    /// Keeps the namespace alive.
    let descriptor: Int32
    /// For messages only.
    public let name: String

    /// Makes an empty namespace with loopback up.
    public init(_ name: String = "namespace") throws(TestKitError) {
        descriptor = try TestKitError.check(fl_netns_new(), "new network namespace")
        self.name = name
        try setParameters(Self.kernelDefaults)
    }

    /// What a new namespace takes from the host's settings (`net.core.devconf_inherit_init_net`, and the sizes of TCP's buffers) is
    /// set to what the kernel has by itself: no test may depend on how the host is set up.
    private static let kernelDefaults: [(path: String, value: String)] =
        [
            ("rp_filter", "0"), ("route_localnet", "0"), ("accept_local", "0"), ("arp_ignore", "0"),
            ("arp_announce", "0"),
            ("arp_filter", "0"), ("arp_accept", "0"), ("arp_notify", "0"), ("proxy_arp", "0"), ("log_martians", "0"),
            ("accept_redirects", "1"), ("secure_redirects", "1"), ("send_redirects", "1"), ("shared_media", "1"),
            ("src_valid_mark", "0"), ("promote_secondaries", "0"),
        ].flatMap { key, value in ["all", "default", "lo"].map { ("ipv4/conf/\($0)/\(key)", value) } } + [
            ("ipv4/ip_forward", "0"), ("ipv4/tcp_rmem", "4096 131072 6291456"), ("ipv4/tcp_wmem", "4096 16384 4194304"),
        ]

    deinit { close(descriptor) }

    /// A path by which other processes (such as `ip link set … netns`) find the namespace while this process lives.
    public var path: String { "/proc/\(getpid())/fd/\(descriptor)" }

    /// Runs the closure on a thread of its own inside the namespace and waits for it.
    ///
    /// Never call this from a task: it blocks. See ``perform(_:)``.
    public func run<Result>(_ body: () throws(TestKitError) -> Result) throws(TestKitError) -> Result {
        var outcome: Swift.Result<Result, TestKitError>?
        let status = withoutActuallyEscaping(body) { body in
            let work = Work {
                do throws(TestKitError) { outcome = .success(try body()) } catch { outcome = .failure(error) }
            }
            return fl_netns_run(descriptor, Work.entry, Unmanaged.passRetained(work).toOpaque())
        }
        _ = try TestKitError.check(status, "enter \(name)")
        guard let outcome else { throw .system(operation: "enter \(name)", errno: ECANCELED) }
        return try outcome.get()
    }

    /// Runs the closure on a thread of its own inside the namespace without blocking the caller's thread.
    public func perform<Result: Sendable>(
        _ body: @escaping @Sendable () throws(TestKitError) -> Result
    ) async throws(TestKitError) -> Result {
        let outcome: Swift.Result<Result, TestKitError> = await withCheckedContinuation { continuation in
            let work = Work {
                do throws(TestKitError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            let context = Unmanaged.passRetained(work)
            let status = fl_netns_start(descriptor, Work.entry, context.toOpaque())
            if status < 0 {
                continuation.resume(returning: .failure(.system(operation: "enter \(name)", errno: -status)))
            }
        }
        return try outcome.get()
    }

    /// Writes kernel parameters of the namespace; keys are paths below `/proc/sys/net`.
    public func setParameters(_ parameters: [(path: String, value: String)]) throws(TestKitError) {
        try run { () throws(TestKitError) in
            for (path, value) in parameters {
                let file = "/proc/sys/net/\(path)"
                let descriptor = try TestKitError.checkErrno(open(file, O_WRONLY | O_CLOEXEC), file)
                defer { close(descriptor) }
                let line = value + "\n"
                if write(descriptor, line, line.utf8.count) < 0 { throw .system(operation: file, errno: errno) }
            }
        }
    }

    /// Runs lines of the `ip` program, all in one process.
    public func ip(_ lines: [String]) throws(TestKitError) {
        let result = try run(Program("ip", ["-batch", "-"], input: lines.joined(separator: "\n") + "\n"))
        try result.requireSuccess()
    }
}

/// A closure on its way to a C thread.
private final class Work {
    private let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }

    static let entry: fl_netns_body = { context in
        guard let context else { return }
        Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
    }
}
