#include <string.h>

#include "manifest.h"

/*
 * A scanner for strict JSON. It finds where the items of a list end, so that each can be parsed by itself; what it does
 * not know for certain to mean the same to libyaml inside the list and outside of it, it refuses.
 */
struct scan {
    const uint8_t *bytes;
    size_t length;
    size_t at;
};

/* The next byte; 0, which JSON cannot hold, at the end. */
static uint8_t peek(const struct scan *scan) { return scan->at < scan->length ? scan->bytes[scan->at] : 0; }

static bool take(struct scan *scan, uint8_t byte) {
    if (peek(scan) != byte) return false;
    scan->at++;
    return true;
}

/* Steps over blanks. A carriage return by itself is a line end to libyaml, but is not counted as one elsewhere. */
static bool skip_blanks(struct scan *scan) {
    for (;; scan->at++) {
        uint8_t byte = peek(scan);
        if (byte == '\r' && (scan->at + 1 >= scan->length || scan->bytes[scan->at + 1] != '\n')) return false;
        if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r') return true;
    }
}

/* Whether a line end of libyaml that is no line feed stands here: NEL, LS or PS. */
static bool is_odd_break(const struct scan *scan) {
    const uint8_t *here = scan->bytes + scan->at;
    size_t room = scan->length - scan->at;
    return (room >= 2 && here[0] == 0xC2 && here[1] == 0x85) ||
           (room >= 3 && here[0] == 0xE2 && here[1] == 0x80 && (here[2] == 0xA8 || here[2] == 0xA9));
}

static bool skip_string(struct scan *scan) {
    if (!take(scan, '"')) return false;
    while (scan->at < scan->length) {
        uint8_t byte = scan->bytes[scan->at];
        if (byte < ' ' || (byte >= 0x80 && is_odd_break(scan))) return false;
        scan->at++;
        if (byte == '"') return true;
        if (byte == '\\') {
            if (peek(scan) < ' ' || peek(scan) >= 0x80) return false;
            scan->at++;
        }
    }
    return false;
}

static bool skip_word(struct scan *scan, const char *word, size_t length) {
    if (scan->length - scan->at < length || memcmp(scan->bytes + scan->at, word, length) != 0) return false;
    scan->at += length;
    return true;
}

static bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static bool skip_digits(struct scan *scan) {
    if (!is_digit(peek(scan))) return false;
    while (is_digit(peek(scan))) scan->at++;
    return true;
}

static bool skip_number(struct scan *scan) {
    take(scan, '-');
    if (!skip_digits(scan)) return false;
    if (take(scan, '.') && !skip_digits(scan)) return false;
    if (!take(scan, 'e') && !take(scan, 'E')) return true;
    if (!take(scan, '+')) take(scan, '-');
    return skip_digits(scan);
}

static bool skip_scalar(struct scan *scan) {
    switch (peek(scan)) {
        case '"': return skip_string(scan);
        case 't': return skip_word(scan, "true", 4);
        case 'f': return skip_word(scan, "false", 5);
        case 'n': return skip_word(scan, "null", 4);
        default: return skip_number(scan);
    }
}

/* Steps over a key and its colon. */
static bool skip_key(struct scan *scan) {
    return skip_string(scan) && skip_blanks(scan) && take(scan, ':') && skip_blanks(scan);
}

/* Closes what is complete after a value, up to the next comma or the end. False on what JSON does not allow. */
static bool skip_closing(struct scan *scan, const uint8_t *closers, int *depth) {
    while (*depth > 0) {
        if (!skip_blanks(scan)) return false;
        if (take(scan, ',')) {
            if (!skip_blanks(scan)) return false;
            return closers[*depth - 1] == ']' || skip_key(scan);
        }
        if (!take(scan, closers[*depth - 1])) return false;
        --*depth;
    }
    return true;
}

/* Steps over one value of at most `limit` nested containers. */
static bool skip_value(struct scan *scan, int limit) {
    uint8_t closers[FL_MAX_DEPTH];
    int depth = 0;
    do {
        uint8_t byte = peek(scan);
        if (byte == '{' || byte == '[') {
            if (depth == limit) return false;
            scan->at++;
            closers[depth++] = byte == '{' ? '}' : ']';
            if (!skip_blanks(scan)) return false;
            if (peek(scan) != closers[depth - 1]) {
                if (byte == '{' && !skip_key(scan)) return false;
                continue;
            }
        } else if (!skip_scalar(scan)) {
            return false;
        }
        if (!skip_closing(scan, closers, &depth)) return false;
    } while (depth > 0);
    return true;
}

size_t fl_json_list(const uint8_t *bytes, size_t length) {
    struct scan scan = {bytes, length, 0};
    if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) scan.at = 3;
    if (!skip_blanks(&scan) || !take(&scan, '{') || !skip_blanks(&scan)) return 0;
    for (;;) {
        bool is_items = length - scan.at > 7 && memcmp(bytes + scan.at, "\"items\"", 7) == 0;
        if (!skip_key(&scan)) return 0;
        if (is_items) return take(&scan, '[') && skip_blanks(&scan) && peek(&scan) == '{' ? scan.at : 0;
        if (!skip_value(&scan, FL_MAX_DEPTH - 1)) return 0;
        if (!skip_blanks(&scan) || !take(&scan, ',') || !skip_blanks(&scan)) return 0;
    }
}

size_t fl_json_item(const uint8_t *bytes, size_t length, size_t from, size_t *end) {
    struct scan scan = {bytes, length, from};
    /* Two levels are the list's own. */
    if (peek(&scan) != '{' || !skip_value(&scan, FL_MAX_DEPTH - 2)) return 0;
    *end = scan.at;
    if (!skip_blanks(&scan)) return 0;
    if (peek(&scan) == ']') return scan.at;
    return take(&scan, ',') && skip_blanks(&scan) && peek(&scan) == '{' ? scan.at : 0;
}

bool fl_json_list_ends(const uint8_t *bytes, size_t length, size_t from) {
    struct scan scan = {bytes, length, from};
    if (!take(&scan, ']') || !skip_blanks(&scan)) return false;
    while (take(&scan, ',')) {
        if (!skip_blanks(&scan) || !skip_key(&scan) || !skip_value(&scan, FL_MAX_DEPTH - 1)) return false;
        if (!skip_blanks(&scan)) return false;
    }
    return take(&scan, '}') && skip_blanks(&scan) && scan.at == length;
}
