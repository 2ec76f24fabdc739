#define _GNU_SOURCE
#include "host_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

static int read_capabilities(struct __user_cap_data_struct words[WORDS])
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    return syscall(SYS_capget, &header, words) < 0 ? -errno : 0;
}

static bool write_oom_score(const char *text, ssize_t length)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_written = write(fd, text, (size_t)length) == length;
    close(fd);
    return is_written;
}

/*
 * Who has written an OOM score with CAP_SYS_RESOURCE may come back to it without. Returns the length of the text of the score that
 * is to be written again without it; 0 if nothing is.
 */
static ssize_t open_oom_scores(char *text, size_t capacity)
{
    int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, capacity);
    close(fd);
    return length > 0 && write_oom_score("-1000", 5) ? length : 0;
}

int fl_keep_capabilities(uint64_t kept)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct words[WORDS];
    int error = read_capabilities(words);
    if (error < 0)
        return error;
    char score[16];
    ssize_t length = open_oom_scores(score, sizeof score);
    /* Without CAP_SETPCAP the bounds are what whoever started this has set; programs that are started get no more than those. */
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (capability >= 64 || !(kept >> capability & 1))
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    for (int index = 0; index < WORDS; index++) {
        uint32_t mask = (uint32_t)(kept >> (32 * index));
        words[index].permitted &= mask;
        words[index].effective &= mask;
        words[index].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, words) < 0)
        error = -errno;
    if (length > 0)
        write_oom_score(score, length);
    return error;
}

uint64_t fl_effective_capabilities(void)
{
    struct __user_cap_data_struct words[WORDS];
    if (read_capabilities(words) < 0)
        return 0;
    return (uint64_t)words[1].effective << 32 | words[0].effective;
}
