#include "host_shim.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The C library's addresses have to come before the kernel's. */
#include <net/if.h>
#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

/* struct ipt_getinfo and struct ip6t_getinfo are alike, and so are the heads of both structs of entries. */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "both families tell alike");

/* The target of the entry at an offset; NULL if it does not lie within the table. */
static const struct xt_entry_target *target_at(const char *entries, size_t size, size_t offset, int family) {
    size_t target = family == AF_INET ? offsetof(struct ipt_entry, target_offset) : offsetof(struct ip6t_entry, target_offset);
    uint16_t distance;
    if (offset + target + sizeof distance > size) return NULL;
    memcpy(&distance, entries + offset + target, sizeof distance);
    if (offset + distance + sizeof(struct xt_standard_target) > size) return NULL;
    return (const struct xt_entry_target *)(entries + offset + distance);
}

int fl_legacy_policy(int family, const char *table, unsigned hook, int *has_rules) {
    int level = family == AF_INET ? SOL_IP : SOL_IPV6;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct ipt_getinfo info = {0};
    socklen_t length = sizeof info;
    int result = -EINVAL;
    char *buffer = NULL;
    strncpy(info.name, table, sizeof info.name - 1);
    if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &length) < 0) {
        result = -errno;
        goto out;
    }
    if (hook >= NF_INET_NUMHOOKS || !(info.valid_hooks & (1u << hook))) goto out;
    size_t head = family == AF_INET ? offsetof(struct ipt_get_entries, entrytable) : offsetof(struct ip6t_get_entries, entrytable);
    buffer = calloc(1, head + info.size);
    if (buffer == NULL) {
        result = -ENOMEM;
        goto out;
    }
    strncpy(buffer, table, XT_TABLE_MAXNAMELEN - 1);
    memcpy(buffer + XT_TABLE_MAXNAMELEN, &info.size, sizeof info.size);
    length = (socklen_t)(head + info.size);
    /* -EAGAIN: the table has changed its size since. */
    if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, buffer, &length) < 0) {
        result = -errno;
        goto out;
    }
    const struct xt_entry_target *target = target_at(buffer + head, info.size, info.underflow[hook], family);
    if (target == NULL) goto out;
    *has_rules = info.hook_entry[hook] != info.underflow[hook];
    result = ((const struct xt_standard_target *)target)->verdict == -NF_DROP - 1;
out:
    free(buffer);
    close(fd);
    return result;
}
