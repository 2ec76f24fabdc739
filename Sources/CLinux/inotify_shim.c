#include "inotify_shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static void fill(struct fl_stamp *stamp, const struct stat *info) {
    stamp->device = info->st_dev;
    stamp->inode = info->st_ino;
    stamp->size = info->st_size;
    stamp->modified = info->st_mtim.tv_sec * 1000000000ll + info->st_mtim.tv_nsec;
    stamp->changed = info->st_ctim.tv_sec * 1000000000ll + info->st_ctim.tv_nsec;
    stamp->is_directory = S_ISDIR(info->st_mode);
}

int fl_stat_path(const char *path, struct fl_stamp *stamp) {
    struct stat info;
    if (stat(path, &info) != 0) return -errno;
    fill(stamp, &info);
    return 0;
}

int fl_is_link(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return -errno;
    return S_ISLNK(info.st_mode) || (S_ISREG(info.st_mode) && info.st_nlink > 1);
}

/* Reads an open file from its beginning to its end, whatever its size was said to be. */
static int read_all(int fd, size_t expected, size_t limit, uint8_t **bytes, size_t *length) {
    size_t capacity = expected + 1; /* one more, so that the end is seen without growing */
    uint8_t *buffer = malloc(capacity);
    size_t count = 0;
    if (buffer == NULL) return -ENOMEM;
    for (;;) {
        ssize_t got = read(fd, buffer + count, capacity - count);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int error = -errno;
            free(buffer);
            return error;
        }
        if (got == 0) break;
        count += (size_t)got;
        if (count < capacity) continue;
        uint8_t *bigger = count > limit ? NULL : realloc(buffer, capacity * 2);
        if (bigger == NULL) {
            free(buffer);
            return count > limit ? -EFBIG : -ENOMEM;
        }
        buffer = bigger;
        capacity *= 2;
    }
    *bytes = buffer;
    *length = count;
    return 0;
}

static int read_once(int fd, size_t limit, uint8_t **bytes, size_t *length) {
    struct stat before, after;
    if (fstat(fd, &before) != 0) return -errno;
    if (S_ISDIR(before.st_mode)) return -EISDIR;
    if (!S_ISREG(before.st_mode)) return -ENOTSUP;
    if ((uint64_t)before.st_size > limit) return -EFBIG;
    if (lseek(fd, 0, SEEK_SET) < 0) return -errno;
    int result = read_all(fd, (size_t)before.st_size, limit, bytes, length);
    if (result != 0) return result;
    struct fl_stamp first, second;
    int failed = fstat(fd, &after);
    fill(&first, &before);
    if (failed == 0) fill(&second, &after);
    if (failed == 0 && first.size == second.size && first.modified == second.modified &&
        (size_t)second.size == *length)
        return 0;
    free(*bytes);
    *bytes = NULL;
    return -EAGAIN;
}

int fl_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *length) {
    /* Not blocking: opening a FIFO would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -errno;
    int result = -EAGAIN;
    for (int attempt = 0; attempt < 3 && result == -EAGAIN; attempt++) result = read_once(fd, limit, bytes, length);
    close(fd);
    return result;
}

int fl_list_directory(const char *path, char **names, size_t *length) {
    DIR *directory = opendir(path);
    if (directory == NULL) return -errno;
    char *list = NULL;
    size_t count = 0, capacity = 0;
    int result = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        size_t size = strlen(entry->d_name) + 1;
        if (count + size > capacity) {
            size_t bigger = (capacity + size) * 2;
            char *moved = realloc(list, bigger);
            if (moved == NULL) {
                result = -ENOMEM;
                break;
            }
            list = moved;
            capacity = bigger;
        }
        memcpy(list + count, entry->d_name, size);
        count += size;
    }
    closedir(directory);
    if (result != 0) {
        free(list);
        return result;
    }
    *names = list;
    *length = count;
    return 0;
}

void fl_error_text(int code, char *text, size_t capacity) {
    char buffer[128];
    snprintf(text, capacity, "%s", strerror_r(code, buffer, sizeof buffer));
}

int fl_inotify_open(void) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int fl_inotify_add(int fd, const char *directory) {
    uint32_t mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF |
                    IN_MOVE_SELF | IN_ONLYDIR;
    int wd = inotify_add_watch(fd, directory, mask);
    return wd < 0 ? -errno : wd;
}

int fl_inotify_remove(int fd, int wd) { return inotify_rm_watch(fd, wd) != 0 ? -errno : 0; }

static uint32_t meaning(uint32_t mask) {
    uint32_t result = 0;
    if (mask & IN_Q_OVERFLOW) result |= FL_EVENT_OVERFLOW;
    if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) result |= FL_EVENT_SELF_GONE;
    if (mask & IN_CREATE) result |= FL_EVENT_CREATED;
    if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)) result |= FL_EVENT_CHANGED;
    return result;
}

int fl_inotify_read(int fd, struct fl_watch_event *events) {
    /* Each event takes at least its header, so this many bytes hold FL_WATCH_EVENTS at the most. */
    char buffer[FL_WATCH_EVENTS * sizeof(struct inotify_event)] __attribute__((aligned(8)));
    ssize_t got;
    do got = read(fd, buffer, sizeof buffer);
    while (got < 0 && errno == EINTR);
    if (got < 0) return errno == EAGAIN ? 0 : -errno;
    int count = 0;
    for (ssize_t at = 0; at < got && count < FL_WATCH_EVENTS; count++) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
        events[count].wd = event->wd;
        events[count].mask = meaning(event->mask);
        snprintf(events[count].name, sizeof events[count].name, "%s", event->len > 0 ? event->name : "");
        at += (ssize_t)(sizeof(struct inotify_event) + event->len);
    }
    return count;
}

int fl_wake_open(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int fl_wake_send(int fd) {
    uint64_t one = 1;
    return write(fd, &one, sizeof one) < 0 ? -errno : 0;
}

int fl_wait(int events, int wake, int milliseconds) {
    struct pollfd fds[2] = {{.fd = events, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
    int ready = poll(fds, 2, milliseconds);
    if (ready < 0) return errno == EINTR ? 0 : -errno;
    return (fds[0].revents != 0 ? 1 : 0) | (fds[1].revents != 0 ? 2 : 0);
}

void fl_close(int fd) {
    if (fd >= 0) close(fd);
}
