#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Netlink sockets. Every function that can fail returns -errno; none touches errno for the caller to read.
 */

/* Opens and binds a netlink socket of `protocol` (NETLINK_NETFILTER, ...) with extended and capped acknowledgements,
 * close-on-exec. The kernel chooses the port id and it is stored in *port_id. Returns the descriptor or -errno. */
int fl_netlink_open(int protocol, uint32_t *port_id);

/* Asks for a send buffer that holds one message of `bytes`. Tries to pass the system's limit first, which needs
 * CAP_NET_ADMIN in the initial user namespace. Returns the largest message that one send takes now, or -errno. */
ssize_t fl_netlink_reserve_send(int fd, size_t bytes);

/* Asks for a receive buffer of `bytes`, passing the system's limit where allowed. Returns the size that it has then, as
 * the system counts it (twice what was asked for, for its overhead), or -errno. */
int fl_netlink_reserve_receive(int fd, size_t bytes);

/* Subscribes to a multicast group of the socket's protocol (NFNLGRP_NFTABLES, ...). Returns 0 or -errno. */
int fl_netlink_join(int fd, uint32_t group);

/* Has the kernel leave out notifications of what the socket with that address did. Returns 0 or -errno. */
int fl_netlink_ignore_sender(int fd, uint32_t port_id);

/* Sends one datagram to the kernel. EINTR is retried. Returns 0 or -errno (-EMSGSIZE: larger than the buffer). */
int fl_netlink_send(int fd, const void *data, size_t length);

/* Receives one datagram from the kernel; datagrams of other senders are discarded. `wait_ms` < 0 waits without end,
 * 0 does not wait, else that long. EINTR is retried. Returns the length, -EAGAIN if nothing came, -EMSGSIZE if the
 * buffer was too small (the datagram is lost), -ENOBUFS if the kernel had to drop messages, or another -errno. */
ssize_t fl_netlink_receive(int fd, void *buffer, size_t capacity, int wait_ms);

/* The most datagrams that fl_netlink_receive_many takes. */
#define FL_NETLINK_DATAGRAMS 64

/* Receives up to FL_NETLINK_DATAGRAMS datagrams that the kernel has sent already, each into its own `slot` bytes of the
 * buffer, and stores their lengths; those of other senders have length 0. Does not wait. Returns their number, or the
 * errors of fl_netlink_receive. */
int fl_netlink_receive_many(int fd, void *buffer, size_t slot, uint32_t *lengths);
