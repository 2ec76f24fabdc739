#pragma once
#include "netlink_shim.h"
