#pragma once

/*
 * Files and file events for reading manifests. Every function that can fail returns 0 or a positive result, or -errno.
 */

#include <stddef.h>
#include <stdint.h>

/* What tells a version of a file from another one without reading it. */
struct fl_stamp {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    int64_t modified; /* nanoseconds since 1970 */
    int64_t changed;  /* nanoseconds since 1970 */
    int is_directory;
};

/* Fills `stamp` for what `path` names, symbolic links followed. */
int fl_stat_path(const char *path, struct fl_stamp *stamp);

/* 1 if a file that was just created is complete: it is a symbolic or hard link, so no writer will close it. */
int fl_is_link(const char *path);

/*
 * Reads a regular file whole into memory from malloc, at most `limit` bytes (-EFBIG). -EISDIR or -ENOTSUP if it is not
 * a regular file; -EAGAIN if it kept changing while it was read.
 */
int fl_read_file(const char *path, size_t limit, uint8_t **bytes, size_t *length);

/* The names in a directory, each terminated, one after the other in memory from malloc. */
int fl_list_directory(const char *path, char **names, size_t *length);

/* The text of an error code (positive), always terminated. */
void fl_error_text(int code, char *text, size_t capacity);

/* Events whose `wd` is the watch that fl_inotify_add returned; the name is empty for events of the directory itself. */
struct fl_watch_event {
    int wd;
    uint32_t mask;
    char name[256];
};

/* What an event means, in terms of inotify(7). */
enum {
    FL_EVENT_OVERFLOW = 1,  /* events were lost; wd is -1 */
    FL_EVENT_SELF_GONE = 2, /* the directory was deleted, moved or unmounted, or the watch ended */
    FL_EVENT_CREATED = 4,   /* a name came into being; its content may not be complete */
    FL_EVENT_CHANGED = 8    /* a name was moved in or out, deleted, or closed by a writer */
};

/* The most events that one fl_inotify_read returns. */
#define FL_WATCH_EVENTS 256

/* A descriptor for events; does not block and does not survive exec. */
int fl_inotify_open(void);

/* Watches a directory. Returns the watch. */
int fl_inotify_add(int fd, const char *directory);

/* Ends a watch. */
int fl_inotify_remove(int fd, int wd);

/* Reads waiting events into room for FL_WATCH_EVENTS. Returns their number; 0 if none waits. */
int fl_inotify_read(int fd, struct fl_watch_event *events);

/* A descriptor that fl_wake_send makes readable, for good. */
int fl_wake_open(void);

/* Makes the descriptor readable. */
int fl_wake_send(int fd);

/*
 * Waits until a descriptor is readable (-1: none) or the time is over (-1: never). Returns 1 for events, 2 for the wake
 * descriptor, 3 for both, 0 when the time is over. A signal counts as time over.
 */
int fl_wait(int events, int wake, int milliseconds);

/* Closes a descriptor; -1 is fine. */
void fl_close(int fd);
