#pragma once
#include "spawn.h"
#include "signals.h"
#include "netlink_shim.h"
#include "host_shim.h"

#include "inotify_shim.h"

/* The commit that this program was built from, in hexadecimal digits; empty if the build was not told it. */
const char *fl_release_commit(void);
