#pragma once

#include "manifest.h"

/*
 * Reads strict JSON in ASCII with RapidJSON. False, with anything in the arena, for all other text and for what libyaml
 * would refuse: then libyaml has to begin again. What this accepts, libyaml reads in the same way, to the node and its
 * line; a test compares them.
 */
bool fl_json_parse(struct fl_manifest *manifest, const uint8_t *bytes, size_t length);
