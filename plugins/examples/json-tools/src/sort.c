/* Sorting members by name. */
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* A member with its name as it reads: escapes are gone, and what was \u is UTF-8. */
typedef struct {
    uint32_t node;
    const char *name;
    size_t length;
} member;

static unsigned hex(const char *digits) {
    unsigned value = 0;
    for (int count = 0; count < 4; count++) {
        char digit = digits[count];
        unsigned of_digit = digit <= '9' ? (unsigned)(digit - '0') : (unsigned)((digit | 0x20) - 'a' + 10);
        value = value << 4 | of_digit;
    }
    return value;
}

static char *put_code(char *out, unsigned code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* `\uXXXX` at `at`, with the second half of a pair of surrogates where there is one. Moves `at` behind it. */
static unsigned code_at(const char *text, size_t *at, size_t end) {
    unsigned code = hex(text + *at + 2);
    *at += 6;
    bool is_high = code >= 0xd800 && code < 0xdc00;
    if (is_high && end - *at >= 6 && text[*at] == '\\' && text[*at + 1] == 'u') {
        unsigned low = hex(text + *at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *at += 6;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return code;
}

static char plain(char escape) {
    switch (escape) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return escape;
    }
}

/* Reads a name, which was found good before. It never gets longer than it was written. */
static char *unescaped(const char *text, json_span name, char *out) {
    size_t end = name.end - 1;
    for (size_t at = name.start + 1; at < end;) {
        if (text[at] != '\\') {
            *out++ = text[at++];
        } else if (text[at + 1] == 'u') {
            out = put_code(out, code_at(text, &at, end));
        } else {
            *out++ = plain(text[at + 1]);
            at += 2;
        }
    }
    return out;
}

/* UTF-8 sorts by its bytes as its characters do. The last resort keeps the order: qsort does not. */
static int compare(const void *left, const void *right) {
    const member *one = left, *other = right;
    size_t shared = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->name, other->name, shared);
    if (order != 0) return order;
    if (one->length != other->length) return one->length < other->length ? -1 : 1;
    return one->node < other->node ? -1 : 1;
}

static void link_again(json_document *document, uint32_t object, const member *members, size_t count) {
    uint32_t *link = &document->nodes[object].first;
    for (size_t index = 0; index < count; index++) {
        *link = members[index].node;
        link = &document->nodes[members[index].node].next;
    }
    *link = JSON_NONE;
}

bool json_sort(json_document *document) {
    if (document->count == 0) return true;
    /* Both are enough for the whole text, and so for each object in it. One byte more: nothing of size 0 is asked for. */
    member *members = malloc(document->count * sizeof *members);
    char *names = malloc(document->length + 1);
    bool is_enough = members != NULL && names != NULL;
    for (uint32_t object = 0; is_enough && object < document->count; object++) {
        if (document->nodes[object].kind != JSON_OBJECT) continue;
        size_t count = 0;
        char *out = names;
        for (uint32_t node = document->nodes[object].first; node != JSON_NONE; node = document->nodes[node].next) {
            char *end = unescaped(document->text, document->nodes[node].name, out);
            members[count++] = (member){node, out, (size_t)(end - out)};
            out = end;
        }
        qsort(members, count, sizeof *members, compare);
        link_again(document, object, members, count);
    }
    free(members);
    free(names);
    return is_enough;
}
