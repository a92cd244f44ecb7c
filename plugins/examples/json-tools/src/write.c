/* Writing what was read. */
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* Room for `more` bytes; false, and failed for good, where there is none. */
static bool make_room(json_buffer *buffer, size_t more) {
    if (buffer->failed) return false;
    if (buffer->capacity - buffer->length >= more) return true;
    /* Twice what is needed, so that bytes are not moved again and again. */
    bool is_countable = more < SIZE_MAX / 2 - buffer->length;
    size_t capacity = is_countable ? (buffer->length + more) * 2 : 0;
    char *bytes = is_countable ? realloc(buffer->bytes, capacity) : NULL;
    if (bytes == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void json_append(json_buffer *out, const char *bytes, size_t length) {
    if (length == 0 || !make_room(out, length)) return;
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

void json_buffer_free(json_buffer *buffer) {
    free(buffer->bytes);
    *buffer = (json_buffer){0};
}

static void append_span(json_buffer *out, const json_document *document, json_span span) {
    json_append(out, document->text + span.start, span.end - span.start);
}

/* The name, and the value; of an array or object its first bracket alone. */
static void begin(const json_document *document, const json_node *node, json_buffer *out) {
    if (node->name.end > node->name.start) {
        append_span(out, document, node->name);
        json_append(out, ":", 1);
    }
    if (node->kind == JSON_SCALAR) append_span(out, document, node->value);
    else json_append(out, node->kind == JSON_OBJECT ? "{" : "[", 1);
}

void json_write(const json_document *document, json_buffer *out) {
    uint32_t open[JSON_MAX_DEPTH];
    size_t depth = 0;
    uint32_t index = document->count > 0 ? 0 : JSON_NONE;
    while (index != JSON_NONE || depth > 0) {
        bool is_closed = index == JSON_NONE;
        const json_node *node = &document->nodes[is_closed ? open[--depth] : index];
        if (is_closed) {
            json_append(out, node->kind == JSON_OBJECT ? "}" : "]", 1);
        } else {
            begin(document, node, out);
            if (node->kind != JSON_SCALAR) {
                open[depth++] = index;
                index = node->first;
                continue;
            }
        }
        index = node->next;
        if (index != JSON_NONE) json_append(out, ",", 1);
    }
}
