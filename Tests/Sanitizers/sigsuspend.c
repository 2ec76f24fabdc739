/*
 * libdispatch calls sigsuspend with a mask in read-only memory; valgrind 3.19 writes into the mask, and crashes. Preloaded, this
 * hands over a copy.
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask)
{
    unsigned long copy; /* what the kernel reads: 64 signals */
    memcpy(&copy, mask, sizeof copy);
    return (int)syscall(SYS_rt_sigsuspend, &copy, sizeof copy);
}
