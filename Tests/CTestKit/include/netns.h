#pragma once

// Network namespaces without names: a namespace lives exactly as long as a file descriptor, a thread or a socket refers
// to it, so a process that is killed leaves nothing behind.
//
// A thread that has entered a namespace never goes back. All functions here therefore work on threads of their own and
// never on the caller's (which may belong to a pool).

/// The work of a thread inside a namespace.
typedef void (*fl_netns_body)(void *context);

/// Makes an empty network namespace with its loopback interface up.
/// Returns a descriptor (close-on-exec) that keeps it alive, or -errno.
int fl_netns_new(void);

/// Runs `body(context)` on a new thread inside the namespace and waits until it returns.
/// Returns 0, or -errno if the namespace could not be entered (then `body` has not run).
int fl_netns_run(int netns, fl_netns_body body, void *context);

/// Like fl_netns_run, but does not wait. The caller owns `context` again if the result is not 0.
/// The thread enters the namespace before this returns.
int fl_netns_start(int netns, fl_netns_body body, void *context);
