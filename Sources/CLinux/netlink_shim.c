#include "netlink_shim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What the kernel keeps of a send buffer for itself: a message may be that much smaller than SO_SNDBUF. */
#define FL_SEND_OVERHEAD 32

int fl_netlink_open(int protocol, uint32_t *port_id)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -errno;
    struct sockaddr_nl address = { .nl_family = AF_NETLINK };
    socklen_t length = sizeof(address);
    int one = 1;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    *port_id = address.nl_pid;
    return fd;
}

ssize_t fl_netlink_reserve_send(int fd, size_t bytes)
{
    int wanted = bytes + 4096 > INT32_MAX / 2 ? INT32_MAX / 2 : (int)(bytes + 4096);
    int actual = 0;
    socklen_t length = sizeof(actual);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &actual, &length) < 0)
        return -errno;
    if (actual < wanted) {
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0 &&
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) < 0)
            return -errno;
        length = sizeof(actual);
        if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &actual, &length) < 0)
            return -errno;
    }
    return actual - FL_SEND_OVERHEAD;
}

int fl_netlink_reserve_receive(int fd, size_t bytes)
{
    int wanted = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) < 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted)) < 0)
        return -errno;
    int actual = 0;
    socklen_t length = sizeof(actual);
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &actual, &length) < 0 ? -errno : actual;
}

int fl_netlink_join(int fd, uint32_t group)
{
    return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ? -errno : 0;
}

int fl_netlink_ignore_sender(int fd, uint32_t port_id)
{
    /* A load reads in network byte order, the header is in the host's. All messages of a datagram are of one commit. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port_id), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int fl_netlink_send(int fd, const void *data, size_t length)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    for (;;) {
        ssize_t sent = sendto(fd, data, length, 0, (struct sockaddr *)&kernel, sizeof(kernel));
        if (sent >= 0)
            return (size_t)sent == length ? 0 : -EMSGSIZE;
        if (errno != EINTR)
            return -errno;
    }
}

static int64_t fl_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

ssize_t fl_netlink_receive(int fd, void *buffer, size_t capacity, int wait_ms)
{
    int64_t deadline = wait_ms > 0 ? fl_now_ms() + wait_ms : 0;
    for (;;) {
        if (wait_ms > 0) {
            int64_t left = deadline - fl_now_ms();
            struct pollfd poller = { .fd = fd, .events = POLLIN };
            int ready = left > 0 ? poll(&poller, 1, (int)left) : 0;
            if (ready == 0)
                return -EAGAIN;
            if (ready < 0) {
                if (errno == EINTR)
                    continue;
                return -errno;
            }
        }
        struct sockaddr_nl sender = { 0 };
        struct iovec part = { .iov_base = buffer, .iov_len = capacity };
        struct msghdr message = {
            .msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t received = recvmsg(fd, &message, wait_ms < 0 ? 0 : MSG_DONTWAIT);
        if (received < 0) {
            if (errno == EINTR)
                continue;
            if (errno == EAGAIN && wait_ms > 0)
                continue;
            return -errno;
        }
        if (message.msg_namelen != sizeof(sender) || sender.nl_pid != 0)
            continue;
        if (message.msg_flags & MSG_TRUNC)
            return -EMSGSIZE;
        return received;
    }
}

int fl_netlink_receive_many(int fd, void *buffer, size_t slot, uint32_t *lengths)
{
    struct sockaddr_nl senders[FL_NETLINK_DATAGRAMS] = { 0 };
    struct iovec parts[FL_NETLINK_DATAGRAMS];
    struct mmsghdr messages[FL_NETLINK_DATAGRAMS] = { 0 };
    for (int i = 0; i < FL_NETLINK_DATAGRAMS; i++) {
        parts[i] = (struct iovec){ .iov_base = (char *)buffer + i * slot, .iov_len = slot };
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &senders[i], .msg_namelen = sizeof(senders[i]), .msg_iov = &parts[i], .msg_iovlen = 1 };
    }
    int received;
    do
        received = recvmmsg(fd, messages, FL_NETLINK_DATAGRAMS, MSG_DONTWAIT, NULL);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return -errno;
    for (int i = 0; i < received; i++) {
        if (messages[i].msg_hdr.msg_flags & MSG_TRUNC)
            return -EMSGSIZE;
        int is_kernel = messages[i].msg_hdr.msg_namelen == sizeof(senders[i]) && senders[i].nl_pid == 0;
        lengths[i] = is_kernel ? messages[i].msg_len : 0;
    }
    return received;
}
