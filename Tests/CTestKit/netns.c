#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
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
