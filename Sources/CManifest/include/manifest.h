#pragma once

/*
 * Parses YAML and JSON into one flat array of nodes.
 *
 * libyaml reports 2.5 million events for 10,000 Services with their EndpointSlices. Handing each one to Swift would
 * cost more than parsing does, so this layer keeps them in an arena that Swift then reads through plain pointers.
 *
 * Nothing here is thread safe: one fl_manifest belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a node is. */
enum {
    FL_SCALAR = 0,
    FL_MAP = 1,
    FL_SEQUENCE = 2,
};

/* Flags of a node. */
enum {
    FL_QUOTED = 1 << 2,   /* scalar: in quotes, a block scalar or tagged !!str, so a string whatever it looks like */
    FL_HAS_MERGE = 1 << 3 /* map: has the key <<, whose maps lend it their keys (YAML 1.1 merge key) */
};

/* Bits of fl_node.line_and_kind below the line number. */
#define FL_LINE_SHIFT 4

/* Limits; passing one is an error of the file, never a crash or an endless loop. */
#define FL_MAX_DEPTH 100          /* nested maps and sequences */
#define FL_MAX_ALIAS_NODES 100000 /* nodes that the aliases of one stream may add in total */
#define FL_MAX_BYTES (512u << 20) /* bytes of one stream: offsets are 32 bit, lines 28 bit */

/*
 * A node. Nodes stand in document order: the first child of a container follows it, and `next` is the index just after
 * the last node below it. The children of a map are its keys and values in turn; keys are always scalars.
 */
struct fl_node {
    uint32_t start;         /* scalar: offset of its text; container: number of entries */
    uint32_t length;        /* scalar: bytes of its text; else 0 */
    uint32_t next;          /* index of the node after this one and all below it */
    uint32_t line_and_kind; /* line from 1, shifted by FL_LINE_SHIFT; flags; kind in the lowest two bits */
};

/* An arena; read its fields, change them only through the functions below. */
struct fl_manifest {
    struct fl_node *nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    char *text; /* the texts of all scalars, perhaps with more between them; not terminated */
    uint32_t text_length;
    uint32_t text_capacity;
    uint32_t *roots; /* indices of the documents' root nodes, empty documents left out */
    uint32_t root_count;
    uint32_t root_capacity;
    uint32_t error_line;   /* from 1; valid after an error */
    uint32_t error_column; /* from 1 */
    uint32_t context_line; /* where what was being parsed began, from 1; 0 if that is not known */
    char problem[240];     /* one line of UTF-8, terminated */
    char context[120];     /* "while parsing …", terminated; empty if context_line is 0 */
    bool only_libyaml;     /* to be set before a parse: libyaml reads what the quick readers could, to compare with */
    bool used_libyaml;     /* whether the last parse needed libyaml */
    bool keeps_duplicates; /* to be set before a parse: a key may stand twice in one map */
    uint64_t hash_key[4];  /* random: what keys of maps are hashed under */
    uint32_t longest_search; /* how far off its hash a key had to be put or looked for at the most, in all parses */
};

/* Makes an empty arena. NULL if there is no memory, or nothing random. */
struct fl_manifest *fl_manifest_new(void);

/* Frees an arena. NULL is fine. */
void fl_manifest_free(struct fl_manifest *manifest);

/*
 * Parses `length` bytes of UTF-8 (a byte order mark is skipped) in place of what the arena held; its memory is reused.
 * The bytes may go away afterwards. Returns 0, or -1 with error_line, error_column and problem set and no roots.
 */
int fl_manifest_parse(struct fl_manifest *manifest, const uint8_t *bytes, size_t length);

/*
 * The index of the value of a key of the map at index `map`; 0 if there is none (a value is never at 0). Looks into
 * merged maps after the map itself.
 */
uint32_t fl_manifest_find(const struct fl_manifest *manifest, uint32_t map, const char *key, size_t length);

/*
 * The offset behind `from` at which the next document begins with a `---` line; `length` if there is none. Such a line
 * is a document marker wherever it stands: no YAML construct can hold it.
 */
size_t fl_next_document(const uint8_t *bytes, size_t length, size_t from);

/* Whether a document begins at this offset with a `---` line, or the text ends there. */
bool fl_starts_document(const uint8_t *bytes, size_t length, size_t at);

/* Whether a line begins with `%`: a directive may reach over `---`, so such a stream must not be cut at it. */
bool fl_has_directives(const uint8_t *bytes, size_t length);

/* The number of line feeds. */
size_t fl_count_lines(const uint8_t *bytes, size_t length);

/* What stands for bytes that are not kept. */
struct fl_fingerprint {
    uint64_t low, high;
};

/* The fingerprint of bytes under a secret key: two texts have the same one by an accident that nobody lives to see, and
 * nobody who does not know the key can make such texts. */
struct fl_fingerprint fl_fingerprint(const uint8_t *bytes, size_t length, const uint64_t key[4]);

/* The number of cores that this process may run on; at least 1. */
int fl_available_cores(void);

/* Whether there is an escape of a surrogate (`\ud8..` to `\udf..`) in the text. */
bool fl_has_surrogates(const uint8_t *bytes, size_t length);

/*
 * For text that is JSON: writes it to `out` (room for `length` bytes) with each escaped surrogate pair (`\ud83d\ude00`,
 * which libyaml refuses) as the UTF-8 of its character, and returns the length of the result. Line and column of what
 * follows stay right but for the columns after such a pair on its line.
 */
size_t fl_join_surrogates(const uint8_t *bytes, size_t length, uint8_t *out);

/*
 * The three functions below cut a list in strict JSON into its items, so that each can be parsed by itself. They refuse
 * all that could mean something else to libyaml inside the list than outside of it.
 */

/* The offset of the first item if the text is an object with a filled list `items` in it; else 0. */
size_t fl_json_list(const uint8_t *bytes, size_t length);

/*
 * Steps over the item at `from`, an object: puts where it ends in `end` and returns the offset of the next item, or of
 * the bracket that closes the list. 0 if the text is not what it should be.
 */
size_t fl_json_item(const uint8_t *bytes, size_t length, size_t from, size_t *end);

/* Whether the text from the bracket that closes the list on closes the object, and ends. */
bool fl_json_list_ends(const uint8_t *bytes, size_t length, size_t from);
