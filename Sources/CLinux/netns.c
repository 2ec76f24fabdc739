#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct creation {
    int result;
};

static int loopback_up(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct ifreq request = {.ifr_flags = IFF_UP};
    strcpy(request.ifr_name, "lo");
    int result = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
    close(fd);
    return result;
}

static void *create(void *argument) {
    struct creation *creation = argument;
    if (unshare(CLONE_NEWNET) < 0) {
        creation->result = -errno;
        return NULL;
    }
    int error = loopback_up();
    if (error < 0) {
        creation->result = error;
        return NULL;
    }
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    creation->result = fd < 0 ? -errno : fd;
    return NULL;
}

int fl_netns_new(void) {
    struct creation creation = {0};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, create, &creation);
    if (error) return -error;
    pthread_join(thread, NULL);
    return creation.result;
}

struct visit {
    int netns;
    fl_netns_body body;
    void *context;
    int result;
    sem_t entered;
};

// `visit` belongs to the starter and is gone once `entered` has been posted.
static void *enter_and_run(void *argument) {
    struct visit *visit = argument;
    fl_netns_body body = visit->body;
    void *context = visit->context;
    int result = setns(visit->netns, CLONE_NEWNET) < 0 ? -errno : 0;
    visit->result = result;
    sem_post(&visit->entered);
    if (result == 0) body(context);
    return NULL;
}

static int start(struct visit *visit, pthread_t *thread) {
    if (sem_init(&visit->entered, 0, 0) < 0) return -errno;
    int error = pthread_create(thread, NULL, enter_and_run, visit);
    if (error) {
        sem_destroy(&visit->entered);
        return -error;
    }
    while (sem_wait(&visit->entered) < 0 && errno == EINTR) {}
    sem_destroy(&visit->entered);
    return 0;
}

int fl_netns_run(int netns, fl_netns_body body, void *context) {
    struct visit visit = {.netns = netns, .body = body, .context = context};
    pthread_t thread;
    int error = start(&visit, &thread);
    if (error) return error;
    pthread_join(thread, NULL);
    return visit.result;
}

int fl_netns_start(int netns, fl_netns_body body, void *context) {
    struct visit visit = {.netns = netns, .body = body, .context = context};
    pthread_t thread;
    int error = start(&visit, &thread);
    if (error) return error;
    pthread_detach(thread);
    return visit.result;
}

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
