/* Reading JSON without recursion: what nests deeply takes no stack. */
#include <stdlib.h>
#include <string.h>

#include "json.h"

typedef struct {
    json_document *document;
    json_error *error;
    const char *text;
    size_t length, at;
    /* The arrays and objects that are open, and the last value in each. */
    uint32_t open[JSON_MAX_DEPTH], last[JSON_MAX_DEPTH];
    size_t depth;
} reader;

static bool fail(reader *reader, json_status status, const char *message) {
    *reader->error = (json_error){status, message, reader->at};
    return false;
}

static bool invalid(reader *reader, const char *message) {
    return fail(reader, JSON_INVALID, message);
}

static int peek(const reader *reader) {
    return reader->at < reader->length ? (unsigned char)reader->text[reader->at] : -1;
}

static bool take(reader *reader, char wanted) {
    if (peek(reader) != (unsigned char)wanted) return false;
    reader->at++;
    return true;
}

static void skip_blanks(reader *reader) {
    while (reader->at < reader->length && memchr(" \t\r\n", reader->text[reader->at], 4) != NULL) reader->at++;
}

static bool is_digit(int byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_hex(int byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool digits(reader *reader) {
    if (!is_digit(peek(reader))) return invalid(reader, "a digit is missing");
    while (is_digit(peek(reader))) reader->at++;
    return true;
}

static bool number(reader *reader) {
    take(reader, '-');
    if (take(reader, '0')) {
        if (is_digit(peek(reader))) return invalid(reader, "a number does not begin with 0");
    } else if (!digits(reader)) {
        return false;
    }
    if (take(reader, '.') && !digits(reader)) return false;
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '+')) take(reader, '-');
        return digits(reader);
    }
    return true;
}

static bool escape(reader *reader) {
    int byte = peek(reader);
    if (byte != 'u') {
        if (byte < 0 || memchr("\"\\/bfnrt", byte, 8) == NULL) return invalid(reader, "there is no such escape");
        reader->at++;
        return true;
    }
    reader->at++;
    for (int count = 0; count < 4; count++, reader->at++) {
        if (!is_hex(peek(reader))) return invalid(reader, "\\u takes four hexadecimal digits");
    }
    return true;
}

static bool string(reader *reader) {
    reader->at++;
    for (;;) {
        int byte = peek(reader);
        if (byte < 0 || byte == '\n' || byte == '\r') return invalid(reader, "a text is not closed with \"");
        if (byte < 0x20) return invalid(reader, "a text cannot hold this character: write it as an escape");
        reader->at++;
        if (byte == '"') return true;
        if (byte == '\\' && !escape(reader)) return false;
    }
}

static bool word(reader *reader, const char *wanted) {
    size_t length = strlen(wanted);
    if (reader->length - reader->at < length || memcmp(reader->text + reader->at, wanted, length) != 0) {
        return invalid(reader, "a value is expected");
    }
    reader->at += length;
    return true;
}

static bool scalar(reader *reader) {
    switch (peek(reader)) {
    case '"': return string(reader);
    case 't': return word(reader, "true");
    case 'f': return word(reader, "false");
    case 'n': return word(reader, "null");
    case '\'': return invalid(reader, "texts are written with \", not with '");
    case '/': return invalid(reader, "JSON has no comments");
    case -1: return invalid(reader, "the text ends where a value is expected");
    default:
        if (peek(reader) == '-' || is_digit(peek(reader))) return number(reader);
        return invalid(reader, "a value is expected");
    }
}

/* A new node behind the last one of what is open. */
static bool add(reader *reader, json_kind kind, json_span name, uint32_t *index) {
    json_document *document = reader->document;
    if (document->count == document->capacity) {
        /* A value takes at least a byte and most a comma: this stays far below what 32 bits count. */
        uint32_t capacity = document->capacity == 0 ? 64 : document->capacity * 2;
        json_node *nodes = realloc(document->nodes, capacity * sizeof *nodes);
        if (nodes == NULL) return fail(reader, JSON_NO_MEMORY, "there is not enough memory");
        document->nodes = nodes;
        document->capacity = capacity;
    }
    *index = document->count++;
    document->nodes[*index] = (json_node){kind, name, {reader->at, reader->at}, JSON_NONE, JSON_NONE};
    if (reader->depth > 0) {
        uint32_t *last = &reader->last[reader->depth - 1];
        uint32_t *link = *last == JSON_NONE ? &document->nodes[reader->open[reader->depth - 1]].first : &document->nodes[*last].next;
        *link = *index;
        *last = *index;
    }
    return true;
}

static bool member_name(reader *reader, json_span *name) {
    name->start = reader->at;
    if (peek(reader) != '"') return invalid(reader, "the name of a member is expected, in \"");
    if (!string(reader)) return false;
    name->end = reader->at;
    skip_blanks(reader);
    if (!take(reader, ':')) return invalid(reader, "a colon is expected");
    skip_blanks(reader);
    return true;
}

/* One value; of an array or object its beginning alone, which is open then. */
static bool value(reader *reader) {
    json_span name = {reader->at, reader->at};
    bool is_member = reader->depth > 0 && reader->document->nodes[reader->open[reader->depth - 1]].kind == JSON_OBJECT;
    if (is_member && !member_name(reader, &name)) return false;
    int byte = peek(reader);
    json_kind kind = byte == '{' ? JSON_OBJECT : byte == '[' ? JSON_ARRAY : JSON_SCALAR;
    uint32_t index;
    if (!add(reader, kind, name, &index)) return false;
    if (kind == JSON_SCALAR) {
        if (!scalar(reader)) return false;
        reader->document->nodes[index].value.end = reader->at;
        return true;
    }
    if (reader->depth == JSON_MAX_DEPTH) return fail(reader, JSON_TOO_DEEP, "arrays and objects lie too deep within each other");
    reader->open[reader->depth] = index;
    reader->last[reader->depth++] = JSON_NONE;
    reader->at++;
    return true;
}

/* Closes what ends here. Answers whether another value follows; `reader->error` tells a fault. */
static bool close_and_go_on(reader *reader) {
    while (reader->depth > 0) {
        json_node *open = &reader->document->nodes[reader->open[reader->depth - 1]];
        bool is_empty = reader->last[reader->depth - 1] == JSON_NONE;
        skip_blanks(reader);
        if (take(reader, open->kind == JSON_OBJECT ? '}' : ']')) {
            open->value.end = reader->at;
            reader->depth--;
            continue;
        }
        if (is_empty) return true;
        if (!take(reader, ',')) return invalid(reader, open->kind == JSON_OBJECT ? "a comma or } is expected" : "a comma or ] is expected");
        skip_blanks(reader);
        if (peek(reader) == '}' || peek(reader) == ']') return invalid(reader, "there is nothing after the comma");
        return true;
    }
    return false;
}

static bool document(reader *reader) {
    skip_blanks(reader);
    do {
        if (!value(reader)) return false;
    } while (close_and_go_on(reader));
    if (reader->error->status != JSON_OK) return false;
    skip_blanks(reader);
    return reader->at == reader->length || invalid(reader, "there is more behind the end of the value");
}

bool json_read(json_document *read, const char *text, size_t length, json_error *error) {
    *read = (json_document){text, length, NULL, 0, 0};
    *error = (json_error){JSON_OK, "", 0};
    if (length > JSON_MAX_BYTES) {
        *error = (json_error){JSON_TOO_LONG, "the text is too long", 0};
        return false;
    }
    reader reader = {.document = read, .error = error, .text = text, .length = length};
    if (document(&reader)) return true;
    json_free(read);
    return false;
}

void json_free(json_document *document) {
    free(document->nodes);
    document->nodes = NULL;
    document->count = document->capacity = 0;
}
