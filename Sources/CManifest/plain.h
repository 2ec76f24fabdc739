#pragma once

#include "manifest.h"

/*
 * Parses text that is plain YAML into an empty arena. False if it is not, or there is no memory, or a key stands twice in a
 * map: what the arena holds then is to be thrown away.
 */
bool fl_plain_parse(struct fl_manifest *manifest, const uint8_t *bytes, size_t length);

/* What both parsers do to an arena; false without memory. */
bool fl_reserve_nodes(struct fl_manifest *manifest, size_t more);
bool fl_reserve_text(struct fl_manifest *manifest, size_t more);
bool fl_add_root(struct fl_manifest *manifest, uint32_t node);

/* Whether all keys of a complete map are different, or may be the same. */
bool fl_check_keys(struct fl_manifest *manifest, uint32_t map);
