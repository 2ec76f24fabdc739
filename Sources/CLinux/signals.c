#define _GNU_SOURCE
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static int failure;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void note(int number) {
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    // A full pipe holds enough of them.
    ssize_t written = write(ends[1], &byte, 1);
    (void)written;
    errno = saved;
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 || sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGINT, &action, NULL) < 0) {
        failure = -errno;
    }
}

int fl_catch_stop_signals(void) {
    pthread_once(&once, catch_signals);
    return failure < 0 ? failure : ends[0];
}

const char *fl_next_stop_signal(void) {
    unsigned char number;
    if (ends[0] < 0 || read(ends[0], &number, 1) != 1) return NULL;
    return number == SIGINT ? "SIGINT" : "SIGTERM";
}
