#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An address of this network namespace, in network byte order; `family` is AF_INET or AF_INET6. */
struct fl_address {
    uint8_t bytes[16];
    int family;
};

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

/* Hands memory that is free back to the system: a first load needs more than what follows. */
void fl_release_memory(void);

/*
 * Has all threads take memory from one place, from now on. What one of them leaves free is then there for the others: a process that
 * runs for long needs less, and the same each time. What is larger than 1 MiB has pages of its own, and is given back when it is freed. To
 * be called before there are threads.
 */
void fl_share_memory(void);

/*
 * Gives up, for good, all capabilities but the kept ones (bit n is capability n of capabilities(7)), also for programs that this one
 * starts, which get no new privileges by being set-user-ID either. How the kernel rates the process when memory is short can be set
 * afterwards all the same, if it could be before. To be called before there are threads: each has capabilities of its own. Returns 0 or
 * -errno.
 */
int fl_keep_capabilities(uint64_t kept);

/* The capabilities that this thread may use; bit n is capability n. */
uint64_t fl_effective_capabilities(void);

/* How many processors are online; at least 1. */
int fl_processor_count(void);

/* Reads up to `capacity` bytes of a small file, such as a kernel parameter. Returns the length or -errno. */
ssize_t fl_read_small(const char *path, char *buffer, size_t capacity);

/* Writes text to an existing file in one write, as kernel parameters want it. Returns 0 or -errno. */
int fl_write_small(const char *path, const char *text);

/*
 * The policy of a chain of iptables-legacy (`table` as in /proc/net/ip_tables_names: asking for one that is not there makes it; `hook` is
 * NF_INET_LOCAL_IN …; `family` AF_INET or AF_INET6): 1 drops, 0 accepts. `has_rules` tells whether there are rules before it. Needs
 * CAP_NET_ADMIN. Returns that or -errno.
 */
int fl_legacy_policy(int family, const char *table, unsigned hook, int *has_rules);
