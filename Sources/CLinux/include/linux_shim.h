#pragma once
#include "spawn.h"
#include "netlink_shim.h"
#include "host_shim.h"

#include "inotify_shim.h"
