#include <string.h>

#include "manifest.h"

static uint32_t kind_of(const struct fl_manifest *manifest, uint32_t node) {
    return manifest->nodes[node].line_and_kind & 3;
}

static uint32_t find_own(const struct fl_manifest *manifest, uint32_t map, const char *key, size_t length) {
    const struct fl_node *nodes = manifest->nodes;
    for (uint32_t at = map + 1, end = nodes[map].next; at < end; at = nodes[at + 1].next)
        if (nodes[at].length == length && memcmp(manifest->text + nodes[at].start, key, length) == 0) return at + 1;
    return 0;
}

/* The merge key's value is a map or a sequence of maps, of which the first that has the key counts. */
uint32_t fl_manifest_find(const struct fl_manifest *manifest, uint32_t map, const char *key, size_t length) {
    uint32_t found = find_own(manifest, map, key, length);
    if (found != 0 || !(manifest->nodes[map].line_and_kind & FL_HAS_MERGE)) return found;
    uint32_t merged = find_own(manifest, map, "<<", 2);
    if (kind_of(manifest, merged) == FL_MAP) return fl_manifest_find(manifest, merged, key, length);
    if (kind_of(manifest, merged) != FL_SEQUENCE) return 0;
    for (uint32_t at = merged + 1; at < manifest->nodes[merged].next && found == 0; at = manifest->nodes[at].next)
        if (kind_of(manifest, at) == FL_MAP) found = fl_manifest_find(manifest, at, key, length);
    return found;
}
