#include "probe.h"

#include <malloc.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_ZERO_STATS
#endif

void fl_probe_begin(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void fl_probe_end(void)
{
    CALLGRIND_STOP_INSTRUMENTATION;
}

void fl_probe_trim(void)
{
    malloc_trim(0);
}
