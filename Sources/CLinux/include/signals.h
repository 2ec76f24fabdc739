#pragma once

/*
 * From now on SIGTERM and SIGINT end nothing by themselves: each is written, as a byte with its number, to a pipe. No signal is lost in
 * between, as it would be if it were ignored first and watched a moment later. Programs that the process starts have the default again.
 * Returns the end of the pipe to read from (it does not block, and is closed on exec), the same for each call, or -errno.
 */
int fl_catch_stop_signals(void);

/* The name of a stop signal that has arrived and was not handed out yet, oldest first; NULL if there is none. */
const char *fl_next_stop_signal(void);
