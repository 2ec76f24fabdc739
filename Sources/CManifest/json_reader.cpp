/*
 * JSON by RapidJSON, into the same nodes that libyaml's events lead to. libyaml reads JSON, too, since it is YAML, but takes
 * about six times as long.
 *
 * RapidJSON decodes strings where they stand: the text is copied into the arena once, and the nodes point into it. Places
 * and lines are those of the text that was given. Nesting is kept in a buffer, not on the stack of calls.
 */
#include <rapidjson/reader.h>

#include <cstddef>
#include <cstring>

extern "C" {
#include "json_reader.h"
#include "plain.h"
}

namespace {

/* What stands between scalars stays in the arena: what is larger is not one manifest. */
constexpr size_t max_length = size_t(16) << 20;
/* libyaml's limit is 1024 characters from the key's beginning to its colon. */
constexpr size_t max_key_length = 900;

constexpr unsigned parse_flags =
    rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;

/* RapidJSON's stack: two words for each open container. It is never so large that more is asked of the system. */
constexpr size_t stack_size = 2048;
static_assert((FL_MAX_DEPTH + 1) * 2 * sizeof(rapidjson::SizeType) <= stack_size);

/* Whether libyaml and JSON agree on all characters and line ends: printable ASCII with line feeds and tabs. */
bool is_plain_ascii(const uint8_t *bytes, size_t length) {
    uint8_t odd = 0;
    for (size_t i = 0; i < length; i++)
        odd |= uint8_t(bytes[i] >= 0x7f) | (uint8_t(bytes[i] < ' ') & uint8_t(bytes[i] != '\n') & uint8_t(bytes[i] != '\t'));
    return odd == 0;
}

/* Fills an arena from RapidJSON's events. Each of its functions is false if the text is not for this reader. */
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
  public:
    Builder(fl_manifest *manifest, rapidjson::InsituStringStream &stream, const uint8_t *bytes, size_t length)
        : out(manifest), stream(stream), bytes(bytes), length(length) {}

    bool Default() { return false; }
    bool Null() { return add_word(stream.Tell() - 4, 4); }
    bool Bool(bool value) { return value ? add_word(stream.Tell() - 4, 4) : add_word(stream.Tell() - 5, 5); }
    bool RawNumber(const char *text, rapidjson::SizeType size, bool) { return add_word(offset(text), size); }

    bool String(const char *text, rapidjson::SizeType size, bool) {
        return add_scalar(FL_QUOTED, offset(text) - 1, offset(text), size);
    }

    /* Takes a key that libyaml takes, too: short, and with its colon on the same line. */
    bool Key(const char *text, rapidjson::SizeType size, bool) {
        const size_t start = offset(text);
        if (size > max_key_length || std::memchr(bytes + start, '\\', size) != nullptr || bytes[start + size] != '"')
            return false;
        size_t behind = start + size + 1;
        for (size_t blanks = 0; behind < length && bytes[behind] == ' ' && blanks < 100; blanks++) behind++;
        return behind < length && bytes[behind] == ':' && add_scalar(FL_QUOTED, start - 1, start, size);
    }

    bool StartObject() { return open(FL_MAP); }
    bool StartArray() { return open(FL_SEQUENCE); }
    /* Who is at fault, libyaml's path says. */
    bool EndObject(rapidjson::SizeType members) { return fl_check_keys(out, close(members)); }
    bool EndArray(rapidjson::SizeType elements) {
        close(elements);
        return true;
    }

  private:
    fl_manifest *out;
    rapidjson::InsituStringStream &stream;
    const uint8_t *bytes;
    size_t length;
    size_t counted = 0; /* lines are counted up to here */
    uint32_t line = 1;
    uint32_t open_nodes[FL_MAX_DEPTH];
    int depth = 0;

    size_t offset(const char *place) const { return size_t(place - out->text); }

    /* The line of a place behind all others that were asked for. */
    uint32_t line_at(size_t place) {
        while (counted < place) {
            const void *end = std::memchr(bytes + counted, '\n', place - counted);
            if (end == nullptr) break;
            line++;
            counted = size_t(static_cast<const uint8_t *>(end) - bytes) + 1;
        }
        if (counted < place) counted = place;
        return line;
    }

    /* Appends a node without children. UINT32_MAX if there is no memory. */
    uint32_t add_node(uint32_t kind, size_t place) {
        if (out->node_count == out->node_capacity && !fl_reserve_nodes(out, 1)) return UINT32_MAX;
        const uint32_t index = out->node_count++;
        out->nodes[index] = fl_node{0, 0, index + 1, line_at(place) << FL_LINE_SHIFT | kind};
        return index;
    }

    bool add_scalar(uint32_t flags, size_t place, size_t start, size_t size) {
        const uint32_t node = add_node(FL_SCALAR | flags, place);
        if (node == UINT32_MAX) return false;
        out->nodes[node].start = uint32_t(start);
        out->nodes[node].length = uint32_t(size);
        return true;
    }

    /* A number, true, false or null, as it stands. */
    bool add_word(size_t start, size_t size) { return add_scalar(0, start, start, size); }

    bool open(uint32_t kind) {
        if (depth == FL_MAX_DEPTH) return false;
        const uint32_t node = add_node(kind, stream.Tell());
        open_nodes[depth++] = node;
        return node != UINT32_MAX;
    }

    uint32_t close(uint32_t entries) {
        const uint32_t node = open_nodes[--depth];
        out->nodes[node].start = entries;
        out->nodes[node].next = out->node_count;
        return node;
    }
};

bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\n'; }

/* Whether the text is that of a JSON object or list: its first byte and its last one say so, but for blanks. libyaml takes
 * no tab there. */
bool is_container(const uint8_t *bytes, size_t length) {
    size_t first = 0;
    while (first < length && is_blank(bytes[first])) first++;
    if (first == length) return false;
    size_t last = length - 1;
    while (is_blank(bytes[last])) last--;
    return (bytes[first] == '{' && bytes[last] == '}') || (bytes[first] == '[' && bytes[last] == ']');
}

} // namespace

bool fl_json_parse(fl_manifest *manifest, const uint8_t *bytes, size_t length) {
    if (length > max_length || !is_container(bytes, length) || !is_plain_ascii(bytes, length)) return false;
    /* RapidJSON takes half a surrogate pair, libyaml not even a whole one. */
    if (fl_has_surrogates(bytes, length) || !fl_reserve_text(manifest, length + 1)) return false;
    std::memcpy(manifest->text, bytes, length);
    manifest->text[length] = 0;
    manifest->text_length = uint32_t(length);

    alignas(std::max_align_t) char memory[2 * stack_size];
    rapidjson::MemoryPoolAllocator<> allocator(memory, sizeof memory);
    rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, rapidjson::MemoryPoolAllocator<>> reader(
        &allocator, stack_size);
    rapidjson::InsituStringStream stream(manifest->text);
    Builder builder(manifest, stream, bytes, length);
    return reader.Parse<parse_flags>(stream, builder) && fl_add_root(manifest, 0);
}
