#pragma once

#include "inotify_shim.h"
