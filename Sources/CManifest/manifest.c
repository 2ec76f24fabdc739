#include "json_reader.h"
#include "manifest.h"
#include "plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <yaml.h>

_Static_assert(sizeof(struct fl_node) == 16, "2.5 million nodes must fit in 40 MB");

/* A container that is not complete yet. */
struct frame {
    uint32_t node;
    uint32_t height; /* levels of containers below it so far */
    int32_t anchor;  /* index of its anchor; -1 */
    uint32_t children;
};

/* A named node. */
struct anchor {
    char *name;
    uint32_t node;
    uint32_t height; /* levels of containers, itself included; 0 for a scalar */
    bool complete; /* false inside the node itself */
};

/* The state of one parse. */
struct build {
    struct fl_manifest *out;
    struct frame frames[FL_MAX_DEPTH];
    int depth;
    struct anchor *anchors;
    size_t anchor_count;
    uint32_t alias_nodes;
};

struct fl_manifest *fl_manifest_new(void) {
    struct fl_manifest *manifest = calloc(1, sizeof(struct fl_manifest));
    if (manifest == NULL) return NULL;
    /* So few bytes come whole. */
    if (getrandom(manifest->hash_key, sizeof manifest->hash_key, 0) != (ssize_t)sizeof manifest->hash_key) {
        free(manifest);
        return NULL;
    }
    return manifest;
}

void fl_manifest_free(struct fl_manifest *manifest) {
    if (manifest == NULL) return;
    free(manifest->nodes);
    free(manifest->text);
    free(manifest->roots);
    free(manifest);
}

/* Notes an error at a place that counts from 0. Always -1. */
static int fail(struct fl_manifest *out, yaml_mark_t mark, const char *problem) {
    out->error_line = (uint32_t)mark.line + 1;
    out->error_column = (uint32_t)mark.column + 1;
    snprintf(out->problem, sizeof out->problem, "%s", problem);
    return -1;
}

/* Makes room for `more` elements; doubles, so that a big file is copied a few times only. 0 or -1. */
static int reserve(void **array, uint32_t *capacity, uint32_t count, size_t more, size_t element) {
    size_t wanted = (size_t)count + more;
    if (wanted <= *capacity) return 0;
    size_t bigger = *capacity == 0 ? 256 : (size_t)*capacity * 2;
    if (bigger < wanted) bigger = wanted;
    if (bigger > UINT32_MAX) return -1;
    void *moved = realloc(*array, bigger * element);
    if (moved == NULL) return -1;
    *array = moved;
    *capacity = (uint32_t)bigger;
    return 0;
}

static uint32_t kind_of(const struct fl_manifest *out, uint32_t node) { return out->nodes[node].line_and_kind & 3; }

/* Appends a node without children. Its index, or UINT32_MAX if there is no memory. */
static uint32_t add_node(struct fl_manifest *out, uint32_t kind, yaml_mark_t mark) {
    if (reserve((void **)&out->nodes, &out->node_capacity, out->node_count, 1, sizeof(struct fl_node)) != 0)
        return UINT32_MAX;
    uint32_t index = out->node_count++;
    out->nodes[index] = (struct fl_node){
        .next = index + 1,
        .line_and_kind = ((uint32_t)mark.line + 1) << FL_LINE_SHIFT | kind,
    };
    return index;
}

/* Counts a new node in its parent, or as a root; `height` is its levels of containers if it is complete. 0 or -1. */
static int attach(struct build *build, uint32_t node, uint32_t height, yaml_mark_t mark) {
    struct fl_manifest *out = build->out;
    if (build->depth == 0) {
        if (reserve((void **)&out->roots, &out->root_capacity, out->root_count, 1, sizeof(uint32_t)) != 0)
            return fail(out, mark, "out of memory");
        out->roots[out->root_count++] = node;
        return 0;
    }
    struct frame *parent = &build->frames[build->depth - 1];
    bool is_key = kind_of(out, parent->node) == FL_MAP && parent->children % 2 == 0;
    if (is_key && kind_of(out, node) != FL_SCALAR) return fail(out, mark, "a key must be a plain text");
    if (is_key && !(out->nodes[node].line_and_kind & FL_QUOTED) && out->nodes[node].length == 2 &&
        memcmp(out->text + out->nodes[node].start, "<<", 2) == 0)
        out->nodes[parent->node].line_and_kind |= FL_HAS_MERGE;
    parent->children++;
    if (height > parent->height) parent->height = height;
    return 0;
}

/* Remembers the anchor of a node; a later anchor of the same name hides it. Its index, -1 for none, -2 on error. */
static int32_t add_anchor(struct build *build, const yaml_char_t *name, uint32_t node, bool complete) {
    if (name == NULL) return -1;
    if (build->anchor_count % 64 == 0) {
        struct anchor *moved = realloc(build->anchors, (build->anchor_count + 64) * sizeof(struct anchor));
        if (moved == NULL) return -2;
        build->anchors = moved;
    }
    char *copy = strdup((const char *)name);
    if (copy == NULL) return -2;
    build->anchors[build->anchor_count] = (struct anchor){.name = copy, .node = node, .complete = complete};
    return (int32_t)build->anchor_count++;
}

static void drop_anchors(struct build *build) {
    for (size_t i = 0; i < build->anchor_count; i++) free(build->anchors[i].name);
    free(build->anchors);
    build->anchors = NULL;
    build->anchor_count = 0;
}

static int add_scalar(struct build *build, const yaml_event_t *event) {
    struct fl_manifest *out = build->out;
    size_t length = event->data.scalar.length;
    if (reserve((void **)&out->text, &out->text_capacity, out->text_length, length, 1) != 0)
        return fail(out, event->start_mark, "out of memory");
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    const char *tag = (const char *)event->data.scalar.tag;
    if (tag != NULL) quoted = strcmp(tag, YAML_STR_TAG) == 0;
    uint32_t node = add_node(out, quoted ? FL_SCALAR | FL_QUOTED : FL_SCALAR, event->start_mark);
    if (node == UINT32_MAX) return fail(out, event->start_mark, "out of memory");
    if (length > 0) memcpy(out->text + out->text_length, event->data.scalar.value, length);
    out->nodes[node].start = out->text_length;
    out->nodes[node].length = (uint32_t)length;
    out->text_length += (uint32_t)length;
    if (add_anchor(build, event->data.scalar.anchor, node, true) == -2)
        return fail(out, event->start_mark, "out of memory");
    return attach(build, node, 0, event->start_mark);
}

static int open_container(struct build *build, uint32_t kind, const yaml_char_t *anchor, yaml_mark_t mark) {
    struct fl_manifest *out = build->out;
    if (build->depth == FL_MAX_DEPTH) return fail(out, mark, "nested deeper than 100 levels");
    uint32_t node = add_node(out, kind, mark);
    if (node == UINT32_MAX) return fail(out, mark, "out of memory");
    if (attach(build, node, 0, mark) != 0) return -1;
    int32_t named = add_anchor(build, anchor, node, false);
    if (named == -2) return fail(out, mark, "out of memory");
    build->frames[build->depth++] = (struct frame){.node = node, .anchor = named};
    return 0;
}

static bool same_text(const struct fl_manifest *out, uint32_t left, uint32_t right) {
    const struct fl_node *a = &out->nodes[left];
    const struct fl_node *b = &out->nodes[right];
    return a->length == b->length && memcmp(out->text + a->start, out->text + b->start, a->length) == 0;
}

static int duplicate(struct fl_manifest *out, uint32_t key) {
    if (out->keeps_duplicates) return 0;
    const struct fl_node *node = &out->nodes[key];
    out->error_line = node->line_and_kind >> FL_LINE_SHIFT;
    out->error_column = 1;
    int shown = node->length > 80 ? 80 : (int)node->length;
    snprintf(out->problem, sizeof out->problem, "the key \"%.*s\" stands twice in one map", shown,
             out->text + node->start);
    return -1;
}

/* Under a secret key: who may name labels could otherwise choose names that all have the same hash. */
static size_t hash_text(const struct fl_manifest *out, uint32_t node) {
    const uint8_t *text = (const uint8_t *)out->text + out->nodes[node].start;
    return (size_t)fl_fingerprint(text, out->nodes[node].length, out->hash_key).low;
}

/* Looks for equal keys of a big map by hashing. 0 or -1. */
static int check_many_keys(struct fl_manifest *out, uint32_t map, yaml_mark_t mark) {
    size_t size = 64;
    while (size < (size_t)out->nodes[map].start * 2) size *= 2;
    uint32_t *table = calloc(size, sizeof(uint32_t)); /* 0: free; node 0 is never a key */
    if (table == NULL) return fail(out, mark, "out of memory");
    int result = 0;
    uint32_t end = out->nodes[map].next;
    for (uint32_t key = map + 1; key < end && result == 0; key = out->nodes[key + 1].next) {
        size_t slot = hash_text(out, key) & (size - 1);
        uint32_t probes = 0;
        while (table[slot] != 0 && !same_text(out, table[slot], key)) {
            slot = (slot + 1) & (size - 1);
            probes++;
        }
        if (probes > out->longest_search) out->longest_search = probes;
        if (table[slot] != 0) result = duplicate(out, key);
        table[slot] = key;
    }
    free(table);
    return result;
}

/* Looks for equal keys of a map. 0 or -1. */
static int check_keys(struct fl_manifest *out, uint32_t map, yaml_mark_t mark) {
    if (out->nodes[map].start > 16) return check_many_keys(out, map, mark);
    uint32_t end = out->nodes[map].next;
    for (uint32_t key = map + 1; key < end; key = out->nodes[key + 1].next)
        for (uint32_t before = map + 1; before < key; before = out->nodes[before + 1].next)
            if (same_text(out, before, key)) return duplicate(out, key);
    return 0;
}

bool fl_reserve_nodes(struct fl_manifest *out, size_t more) {
    return reserve((void **)&out->nodes, &out->node_capacity, out->node_count, more, sizeof(struct fl_node)) == 0;
}

bool fl_reserve_text(struct fl_manifest *out, size_t more) {
    return reserve((void **)&out->text, &out->text_capacity, out->text_length, more, 1) == 0;
}

bool fl_add_root(struct fl_manifest *out, uint32_t node) {
    if (reserve((void **)&out->roots, &out->root_capacity, out->root_count, 1, sizeof(uint32_t)) != 0) return false;
    out->roots[out->root_count++] = node;
    return true;
}

bool fl_check_keys(struct fl_manifest *out, uint32_t map) {
    yaml_mark_t nowhere = {0};
    return check_keys(out, map, nowhere) == 0;
}

static int close_container(struct build *build, yaml_mark_t mark) {
    struct fl_manifest *out = build->out;
    struct frame frame = build->frames[--build->depth];
    struct fl_node *node = &out->nodes[frame.node];
    bool is_map = kind_of(out, frame.node) == FL_MAP;
    node->next = out->node_count;
    node->start = is_map ? frame.children / 2 : frame.children;
    if (frame.anchor >= 0) {
        build->anchors[frame.anchor].complete = true;
        build->anchors[frame.anchor].height = frame.height + 1;
    }
    if (build->depth > 0) {
        struct frame *parent = &build->frames[build->depth - 1];
        if (frame.height + 1 > parent->height) parent->height = frame.height + 1;
    }
    return is_map ? check_keys(out, frame.node, mark) : 0;
}

/* Copies the node that an alias names: expanded here, no reader has to know of aliases. */
static int expand_alias(struct build *build, const yaml_event_t *event) {
    struct fl_manifest *out = build->out;
    yaml_mark_t mark = event->start_mark;
    const struct anchor *anchor = NULL;
    for (size_t i = build->anchor_count; i > 0 && anchor == NULL; i--)
        if (strcmp(build->anchors[i - 1].name, (const char *)event->data.alias.anchor) == 0)
            anchor = &build->anchors[i - 1];
    if (anchor == NULL) return fail(out, mark, "alias without an anchor of that name before it");
    if (!anchor->complete) return fail(out, mark, "alias to a node that contains it");
    uint32_t from = anchor->node;
    uint32_t count = out->nodes[from].next - from;
    if (count > FL_MAX_ALIAS_NODES - build->alias_nodes)
        return fail(out, mark, "aliases expand to more than 100000 nodes");
    if ((uint32_t)build->depth + anchor->height > FL_MAX_DEPTH)
        return fail(out, mark, "nested deeper than 100 levels");
    build->alias_nodes += count;
    if (reserve((void **)&out->nodes, &out->node_capacity, out->node_count, count, sizeof(struct fl_node)) != 0)
        return fail(out, mark, "out of memory");
    uint32_t to = out->node_count;
    for (uint32_t i = 0; i < count; i++) {
        struct fl_node copy = out->nodes[from + i];
        copy.next += to - from;
        out->nodes[to + i] = copy;
    }
    out->node_count += count;
    return attach(build, to, anchor->height, mark);
}

static int handle(struct build *build, const yaml_event_t *event) {
    switch (event->type) {
        case YAML_SCALAR_EVENT: return add_scalar(build, event);
        case YAML_MAPPING_START_EVENT:
            return open_container(build, FL_MAP, event->data.mapping_start.anchor, event->start_mark);
        case YAML_SEQUENCE_START_EVENT:
            return open_container(build, FL_SEQUENCE, event->data.sequence_start.anchor, event->start_mark);
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT: return close_container(build, event->start_mark);
        case YAML_ALIAS_EVENT: return expand_alias(build, event);
        case YAML_DOCUMENT_END_EVENT: drop_anchors(build); return 0; /* anchors do not outlive their document */
        default: return 0;
    }
}

/* Turns libyaml's complaint into ours. Reader errors (bad UTF-8, control characters) come with an offset only. */
static int explain(struct fl_manifest *out, const yaml_parser_t *parser, const uint8_t *bytes, size_t length) {
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_MEMORY_ERROR) problem = "out of memory";
    if (parser->error == YAML_READER_ERROR) {
        size_t end = parser->problem_offset < length ? parser->problem_offset : length;
        mark.line = fl_count_lines(bytes, end);
        mark.column = 0;
        for (size_t i = end; i > 0 && bytes[i - 1] != '\n'; i--) mark.column++;
    }
    fail(out, mark, problem);
    if (parser->context != NULL && parser->error != YAML_READER_ERROR) {
        out->context_line = (uint32_t)parser->context_mark.line + 1;
        snprintf(out->context, sizeof out->context, "%s", parser->context);
    }
    return -1;
}

static int run(struct build *build, yaml_parser_t *parser, const uint8_t *bytes, size_t length) {
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) return explain(build->out, parser, bytes, length);
        bool end = event.type == YAML_STREAM_END_EVENT;
        int result = handle(build, &event);
        yaml_event_delete(&event);
        if (result != 0) return -1;
        if (end) return 0;
    }
}

static void clear(struct fl_manifest *out) { out->node_count = out->text_length = out->root_count = 0; }

/* Tries the readers that take only what they read as libyaml does. False if none does, with anything in the arena. */
static bool read_quickly(struct fl_manifest *out, const uint8_t *bytes, size_t length) {
    if (fl_json_parse(out, bytes, length)) return true;
    clear(out);
    return fl_plain_parse(out, bytes, length);
}

int fl_manifest_parse(struct fl_manifest *manifest, const uint8_t *bytes, size_t length) {
    clear(manifest);
    manifest->context_line = 0;
    manifest->context[0] = 0;
    yaml_mark_t start = {0};
    if (length > FL_MAX_BYTES) return fail(manifest, start, "larger than 512 MiB");
    if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        length -= 3;
    }
    manifest->used_libyaml = manifest->only_libyaml || !read_quickly(manifest, bytes, length);
    if (!manifest->used_libyaml) return 0;
    clear(manifest);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return fail(manifest, start, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, bytes, length);
    struct build build;
    build.out = manifest;
    build.depth = 0;
    build.anchors = NULL;
    build.anchor_count = 0;
    build.alias_nodes = 0;
    int result = run(&build, &parser, bytes, length);
    drop_anchors(&build);
    yaml_parser_delete(&parser);
    if (result != 0) manifest->root_count = 0;
    return result;
}
