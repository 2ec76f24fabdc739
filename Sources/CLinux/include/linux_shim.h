#pragma once
#include "netns.h"
#include "netlink_shim.h"
#include "host_shim.h"

#include "inotify_shim.h"
