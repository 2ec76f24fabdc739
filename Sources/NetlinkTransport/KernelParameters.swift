import CLinux

/// Parameters of the kernel, in the network namespace in which the calling thread is.
public enum KernelParameters {
    /// Lets packets from 127.0.0.0/8 leave loopback, which node ports on 127.0.0.1 need. The rules have to be in force
    /// before: they keep other hosts from sending packets to 127.0.0.0/8.
    public static func routeLocalnet() throws(NetlinkError) {
        let status = fl_enable_parameter("/proc/sys/net/ipv4/conf/all/route_localnet")
        if status < 0 { throw .system(operation: "set net.ipv4.conf.all.route_localnet", errno: -status) }
    }
}
