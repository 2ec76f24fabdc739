#pragma once

/* Marks what a run under valgrind's callgrind is to count. Without valgrind, or without its headers, they do nothing. */
void fl_probe_begin(void);
void fl_probe_end(void);

/* Hands memory that is not in use back to the system, so that what is left is what is held. */
void fl_probe_trim(void);
