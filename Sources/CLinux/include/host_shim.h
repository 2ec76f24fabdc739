#pragma once

#include <stddef.h>
#include <stdint.h>

/* An address of an interface of this network namespace, in network byte order; `family` is AF_INET or AF_INET6. */
struct fl_address {
    uint8_t bytes[16];
    int family;
};

/* Writes up to `capacity` addresses of interfaces that are up, in the kernel's order. Returns how many there are, which
 * may be more than `capacity`, or -errno. */
int fl_host_addresses(struct fl_address *addresses, size_t capacity);

/* The source address that packets to the outside world get by the routing table of this network namespace. Sends
 * nothing. Returns 0, or -errno (-ENETUNREACH: there is no default route). */
int fl_primary_address(int family, struct fl_address *address);

/* The node's name as uname has it. Returns 0 or -errno. */
int fl_host_name(char *buffer, size_t capacity);

/* Makes sure that a kernel parameter is 1: `path` below /proc/sys. Writes only if it is not. Returns 0 or -errno. */
int fl_enable_parameter(const char *path);

/* Seconds since the epoch and microseconds of the second, for log lines. */
void fl_wall_clock(int64_t *seconds, int32_t *microseconds);

/* Writes `YYYY-MM-DDThh:mm:ss` (UTC) for seconds since the epoch, 20 bytes with the zero. */
void fl_format_time(int64_t seconds, char buffer[20]);

/* Writes all bytes; EINTR is retried. Returns 0 or -errno. */
int fl_write_all(int fd, const void *data, size_t length);

/* Ignores a signal, so that it does not end the process. */
void fl_ignore_signal(int number);
