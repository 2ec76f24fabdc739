#pragma once

/// Starts a program in the network namespace of the calling thread, as the leader of a process group of its own.
///
/// `path` is an absolute path; `arguments` and `environment` end with NULL; `input`, `output` and `error` become the
/// program's descriptors 0, 1 and 2; it gets no other. The program is killed (SIGKILL) when the calling THREAD ends: stay on it until the
/// program has been waited for. Returns the process id, or -errno, also if the program could not be executed.
int fl_spawn(
    const char *path, char *const arguments[], char *const environment[], int input, int output, int error);
