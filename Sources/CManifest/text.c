#define _GNU_SOURCE
#include <sched.h>
#include <string.h>

#include "manifest.h"

int fl_available_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}

bool fl_has_surrogates(const uint8_t *bytes, size_t length) {
    const uint8_t *rest = bytes;
    const uint8_t *end = bytes + length;
    while ((rest = memchr(rest, '\\', (size_t)(end - rest))) != NULL) {
        if (end - rest >= 4 && rest[1] == 'u' && (rest[2] | 0x20) == 'd' && rest[3] >= '8') return true;
        rest++;
    }
    return false;
}

/* Whether what follows three dashes makes them a document marker. */
static bool is_marker_end(const uint8_t *bytes, size_t length, size_t at) {
    return at == length || bytes[at] == ' ' || bytes[at] == '\t' || bytes[at] == '\n' || bytes[at] == '\r';
}

bool fl_starts_document(const uint8_t *bytes, size_t length, size_t at) {
    if (at == length) return true;
    return at > 0 && length - at >= 3 && memcmp(bytes + at - 1, "\n---", 4) == 0 &&
           is_marker_end(bytes, length, at + 3);
}

size_t fl_next_document(const uint8_t *bytes, size_t length, size_t from) {
    /* Three dashes in a row take one of any three bytes: it is enough to look at every third. */
    for (size_t at = from + 3; at < length; at += 3) {
        if (bytes[at] != '-') continue;
        /* The dash may be the first, the second or the third; a marker begins right behind a line end. */
        for (size_t start = at - 2; start <= at; start++) {
            if (start <= from || bytes[start - 1] != '\n' || length - start < 3) continue;
            if (memcmp(bytes + start, "---", 3) == 0 && is_marker_end(bytes, length, start + 3)) return start;
        }
    }
    return length;
}

bool fl_has_directives(const uint8_t *bytes, size_t length) {
    if (length > 0 && bytes[0] == '%') return true;
    const uint8_t *rest = bytes;
    const uint8_t *end = bytes + length;
    /* A percent sign is rare in manifests and line ends are not, so look for the former. */
    while ((rest = memchr(rest, '%', (size_t)(end - rest))) != NULL) {
        if (rest > bytes && (rest[-1] == '\n' || rest[-1] == '\r')) return true;
        rest++;
    }
    return false;
}

size_t fl_count_lines(const uint8_t *bytes, size_t length) {
    size_t lines = 0;
    for (size_t i = 0; i < length; i++) lines += bytes[i] == '\n';
    return lines;
}

/* Both halves of a product, folded into one. */
static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

struct fl_fingerprint fl_fingerprint(const uint8_t *bytes, size_t length, const uint64_t key[4]) {
    struct fl_fingerprint result = { key[0] ^ length, key[2] };
    for (size_t i = 0; i < length; i += 16) {
        uint64_t words[2] = { 0, 0 };
        memcpy(words, bytes + i, length - i < 16 ? length - i : 16);
        result.low = fold(result.low ^ words[0], words[1] ^ key[1]) + words[0];
        result.high = fold(result.high ^ words[1], words[0] ^ key[3]) + words[1];
    }
    result.low = fold(result.low ^ key[2], key[3] ^ length);
    result.high = fold(result.high ^ key[0], key[1] ^ length);
    return result;
}

/* The value of four hexadecimal digits; -1 for anything else. */
static int hex4(const uint8_t *digits) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t digit = digits[i];
        if (digit >= '0' && digit <= '9')
            value = value << 4 | (digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            value = value << 4 | (digit - 'a' + 10);
        else if (digit >= 'A' && digit <= 'F')
            value = value << 4 | (digit - 'A' + 10);
        else
            return -1;
    }
    return value;
}

/* Writes the character of the pair at `bytes`, if there is one. Whether there was. */
static bool join_pair(const uint8_t *bytes, size_t room, uint8_t *out) {
    if (room < 12 || bytes[1] != 'u' || bytes[6] != '\\' || bytes[7] != 'u') return false;
    int high = hex4(bytes + 2);
    int low = hex4(bytes + 8);
    if (high < 0xD800 || high > 0xDBFF || low < 0xDC00 || low > 0xDFFF) return false;
    uint32_t value = 0x10000u + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    out[0] = (uint8_t)(0xF0 | value >> 18);
    out[1] = (uint8_t)(0x80 | (value >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (value >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (value & 0x3F));
    return true;
}

size_t fl_join_surrogates(const uint8_t *bytes, size_t length, uint8_t *out) {
    size_t from = 0;
    size_t to = 0;
    while (from < length) {
        const uint8_t *escape = memchr(bytes + from, '\\', length - from);
        size_t plain = escape == NULL ? length - from : (size_t)(escape - bytes) - from;
        memcpy(out + to, bytes + from, plain);
        from += plain;
        to += plain;
        if (escape == NULL) break;
        if (join_pair(escape, length - from, out + to)) {
            from += 12;
            to += 4;
            continue;
        }
        /* Two bytes, so that an escaped backslash does not begin an escape. */
        size_t step = length - from < 2 ? length - from : 2;
        memcpy(out + to, bytes + from, step);
        from += step;
        to += step;
    }
    return to;
}
