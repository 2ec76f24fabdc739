import Glibc

/// Tells the service manager how the daemon is, by the datagram protocol of `sd_notify(3)`.
enum ServiceManager {
    /// The kernel holds the rules: units of `Type=notify` count as started.
    static func notifyReady() { notify("READY=1") }

    /// The daemon ends because it was told to.
    static func notifyStopping() { notify("STOPPING=1") }

    /// Sends a message to the socket that `NOTIFY_SOCKET` names. Without one there is nobody to tell, and nobody who could
    /// be told that it failed.
    private static func notify(_ message: String) {
        guard let name = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), let first = name.utf8.first else {
            return
        }
        // A path, or a name in the abstract namespace.
        guard first == UInt8(ascii: "/") || first == UInt8(ascii: "@") else { return }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard name.utf8.count < capacity else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            path.copyBytes(from: name.utf8)
            if first == UInt8(ascii: "@") { path[0] = 0 }
        }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size - capacity + name.utf8.count)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(
                    descriptor, message, message.utf8.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
    }
}
