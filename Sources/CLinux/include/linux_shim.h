#pragma once

#include "netns.h"
