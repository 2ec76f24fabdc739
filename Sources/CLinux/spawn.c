#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// Only async-signal-safe calls: the child is a copy of one thread of a process with many. Does not return.
static void become(
    const char *path, char *const arguments[], char *const environment[], const int descriptors[3], int report,
    pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    for (int target = 0; target < 3; target++) {
        if (dup2(descriptors[target], target) < 0) goto failed;
    }
    // Whatever other threads had open at the moment of the fork ends here.
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    execve(path, arguments, environment);
failed:;
    int error = errno;
    ssize_t written = write(report, &error, sizeof error);
    (void)written;
    _exit(127);
}

int fl_spawn(
    const char *path, char *const arguments[], char *const environment[], int input, int output, int error) {
    // Copies above 2, so that no dup2 in the child overwrites a descriptor that is still needed.
    int sources[3] = {input, output, error}, copies[3] = {-1, -1, -1}, report[2] = {-1, -1}, result = 0;
    for (int index = 0; index < 3 && result == 0; index++) {
        copies[index] = fcntl(sources[index], F_DUPFD_CLOEXEC, 3);
        if (copies[index] < 0) result = -errno;
    }
    if (result == 0 && pipe2(report, O_CLOEXEC) < 0) result = -errno;
    pid_t parent = getpid(), child = -1;
    if (result == 0) {
        child = fork();
        if (child < 0) result = -errno;
        if (child == 0) become(path, arguments, environment, copies, report[1], parent);
    }
    for (int index = 0; index < 3; index++) {
        if (copies[index] >= 0) close(copies[index]);
    }
    if (report[1] >= 0) close(report[1]);
    if (child > 0) {
        int failure = 0;
        ssize_t count;
        while ((count = read(report[0], &failure, sizeof failure)) < 0 && errno == EINTR) {}
        if (count == sizeof failure) {
            while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
            result = -failure;
        } else {
            result = child;
        }
    }
    if (report[0] >= 0) close(report[0]);
    return result;
}
