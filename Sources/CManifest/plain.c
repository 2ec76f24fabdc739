/*
 * Reads the plainest of YAML, as programs write manifests: block maps and sequences, one scalar to a line, in ASCII. Ten
 * times as fast as libyaml, which reads everything else: at the first thing that is not plain this gives up, and libyaml
 * begins again. What this accepts, libyaml reads in the same way, to the node and its line; a test compares them.
 */
#include "plain.h"

#include <string.h>

struct plain {
    struct fl_manifest *out;
    const uint8_t *bytes;
    size_t length;
    size_t at;     /* where the current line's content begins, or goes on */
    size_t indent; /* the column of `at` */
    uint32_t line; /* from 1 */
    int depth;
};

static bool parse_block(struct plain *plain, size_t indent);

static bool is_alphanumeric(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/* The end of the line that `from` is in: a line feed or the end of the text. */
static size_t line_end(const struct plain *plain, size_t from) {
    const uint8_t *end = memchr(plain->bytes + from, '\n', plain->length - from);
    return end == NULL ? plain->length : (size_t)(end - plain->bytes);
}

static bool at_end(const struct plain *plain) { return plain->at >= plain->length; }

/* Goes to the content of the next line that has any, from the end of one. */
static void next_line(struct plain *plain, size_t end) {
    plain->at = end;
    while (plain->at < plain->length && plain->bytes[plain->at] == '\n') {
        plain->at++;
        plain->line++;
    }
    size_t start = plain->at;
    while (plain->at < plain->length && plain->bytes[plain->at] == ' ') plain->at++;
    plain->indent = plain->at - start;
}

static uint32_t add_node(struct plain *plain, uint32_t kind, uint32_t line) {
    struct fl_manifest *out = plain->out;
    if (out->node_count == out->node_capacity && !fl_reserve_nodes(out, 1)) return UINT32_MAX;
    uint32_t index = out->node_count++;
    out->nodes[index] = (struct fl_node){ .next = index + 1, .line_and_kind = line << FL_LINE_SHIFT | kind };
    return index;
}

static bool add_scalar(struct plain *plain, size_t from, size_t end, uint32_t flags) {
    uint32_t node = add_node(plain, FL_SCALAR | flags, plain->line);
    if (node == UINT32_MAX) return false;
    struct fl_manifest *out = plain->out;
    /* There is room: the texts of all scalars are shorter than the text. */
    memcpy(out->text + out->text_length, plain->bytes + from, end - from);
    out->nodes[node].start = out->text_length;
    out->nodes[node].length = (uint32_t)(end - from);
    out->text_length += (uint32_t)(end - from);
    return true;
}

/* Whether only printable ASCII stands there, and nothing that could begin a comment. */
static bool is_printable(const struct plain *plain, size_t from, size_t end) {
    uint8_t odd = 0;
    for (size_t i = from; i < end; i++) {
        uint8_t byte = plain->bytes[i];
        odd |= byte < 0x20 || byte > 0x7e || byte == '#';
    }
    return odd == 0;
}

/* Whether a scalar without quotes stands there: it must not look like anything else. */
static bool is_plain(const struct plain *plain, size_t from, size_t end) {
    const uint8_t *bytes = plain->bytes;
    uint8_t first = bytes[from];
    bool has_second = end - from > 1 && bytes[from + 1] != ' ';
    if (!is_alphanumeric(first) && first != '/' && first != '.' && first != '_' &&
        !((first == '-' || first == ':') && has_second))
        return false;
    if (bytes[end - 1] == ' ' || bytes[end - 1] == ':') return false;
    for (const uint8_t *colon = bytes + from; (colon = memchr(colon, ':', (size_t)(bytes + end - colon))); colon++)
        if (colon[1] == ' ') return false;
    return true;
}

/* Reads the scalar or empty container from `at` to the end of the line, and goes to the next line. */
static bool parse_inline(struct plain *plain, size_t block) {
    size_t from = plain->at;
    size_t end = line_end(plain, from);
    if (from == end || !is_printable(plain, from, end)) return false;
    const uint8_t *bytes = plain->bytes;
    uint8_t first = bytes[from];
    if (first == '"' || first == '\'') {
        if (end - from < 2 || bytes[end - 1] != first) return false;
        if (memchr(bytes + from + 1, first, end - from - 2) != NULL) return false;
        if (first == '"' && memchr(bytes + from, '\\', end - from) != NULL) return false;
        if (!add_scalar(plain, from + 1, end - 1, FL_QUOTED)) return false;
    } else if (end - from == 2 && (memcmp(bytes + from, "{}", 2) == 0 || memcmp(bytes + from, "[]", 2) == 0)) {
        if (add_node(plain, first == '{' ? FL_MAP : FL_SEQUENCE, plain->line) == UINT32_MAX) return false;
    } else {
        if (!is_plain(plain, from, end) || !add_scalar(plain, from, end, 0)) return false;
    }
    next_line(plain, end);
    /* A line that stands deeper would go on with the scalar, or be a mistake. */
    return at_end(plain) || plain->indent <= block;
}

/* The end of the key that begins at `at`; 0 if there is none. */
static size_t key_end(const struct plain *plain) {
    const uint8_t *bytes = plain->bytes;
    size_t limit = plain->length - plain->at > 500 ? plain->at + 500 : plain->length;
    size_t end = plain->at;
    if (end >= limit || !(is_alphanumeric(bytes[end]) || bytes[end] == '_' || bytes[end] == '.')) return 0;
    while (end < limit && (is_alphanumeric(bytes[end]) || bytes[end] == '.' || bytes[end] == '/' ||
                           bytes[end] == '-' || bytes[end] == '_'))
        end++;
    if (end >= limit || bytes[end] != ':') return 0;
    return end + 1 == plain->length || bytes[end + 1] == ' ' || bytes[end + 1] == '\n' ? end : 0;
}

/* Whether an entry of a sequence begins at `at`. */
static bool is_entry(const struct plain *plain) {
    return plain->length - plain->at >= 2 && plain->bytes[plain->at] == '-' && plain->bytes[plain->at + 1] == ' ';
}

/* The value of a key of the map in column `indent`; `at` is behind the colon. */
static bool parse_value(struct plain *plain, size_t indent) {
    size_t from = plain->at;
    while (from < plain->length && plain->bytes[from] == ' ') from++;
    if (from < plain->length && plain->bytes[from] != '\n') {
        plain->at = from;
        return parse_inline(plain, indent);
    }
    if (from > plain->at) return false;
    uint32_t line = plain->line;
    next_line(plain, from);
    if (!at_end(plain) && (plain->indent > indent || (plain->indent == indent && is_entry(plain))))
        return parse_block(plain, plain->indent);
    return add_node(plain, FL_SCALAR, line) != UINT32_MAX;
}

/* Reads a map whose keys stand in column `indent`; `at` is at the first. */
static bool parse_map(struct plain *plain, size_t indent) {
    uint32_t map = add_node(plain, FL_MAP, plain->line);
    if (map == UINT32_MAX) return false;
    uint32_t entries = 0;
    do {
        size_t end = key_end(plain);
        if (end == 0 || !add_scalar(plain, plain->at, end, 0)) return false;
        plain->at = end + 1;
        if (!parse_value(plain, indent)) return false;
        entries++;
    } while (!at_end(plain) && plain->indent == indent && !is_entry(plain));
    struct fl_manifest *out = plain->out;
    out->nodes[map].next = out->node_count;
    out->nodes[map].start = entries;
    /* Who is at fault, libyaml's path says. */
    return fl_check_keys(out, map);
}

/* Reads a sequence whose dashes stand in column `indent`; `at` is at the first. */
static bool parse_sequence(struct plain *plain, size_t indent) {
    uint32_t sequence = add_node(plain, FL_SEQUENCE, plain->line);
    if (sequence == UINT32_MAX) return false;
    uint32_t entries = 0;
    do {
        plain->at += 2;
        while (!at_end(plain) && plain->bytes[plain->at] == ' ') {
            plain->at++;
            plain->indent++;
        }
        if (at_end(plain)) return false;
        size_t column = plain->indent + 2;
        if (key_end(plain) != 0) {
            plain->indent = column;
            if (!parse_map(plain, column)) return false;
        } else if (!parse_inline(plain, indent)) {
            return false;
        }
        entries++;
    } while (!at_end(plain) && plain->indent == indent && is_entry(plain));
    plain->out->nodes[sequence].next = plain->out->node_count;
    plain->out->nodes[sequence].start = entries;
    return true;
}

/* Reads what begins at `at`, in column `indent`: it ends with a line that stands less deep, or as deep as its parent. */
static bool parse_block(struct plain *plain, size_t indent) {
    if (++plain->depth >= FL_MAX_DEPTH / 2) return false;
    bool done = is_entry(plain) ? parse_sequence(plain, indent) : parse_map(plain, indent);
    plain->depth--;
    /* A line in between belongs to nothing. */
    return done && (at_end(plain) || plain->indent <= indent);
}

bool fl_plain_parse(struct fl_manifest *manifest, const uint8_t *bytes, size_t length) {
    struct plain plain = { .out = manifest, .bytes = bytes, .length = length, .line = 1 };
    if (length == 0 || !fl_reserve_text(manifest, length)) return false;
    if (length >= 4 && memcmp(bytes, "---\n", 4) == 0) {
        next_line(&plain, 3);
    } else {
        next_line(&plain, 0);
    }
    if (at_end(&plain) || plain.indent != 0 || is_entry(&plain)) return false;
    if (!parse_block(&plain, 0) || !at_end(&plain)) return false;
    return fl_add_root(manifest, 0);
}
