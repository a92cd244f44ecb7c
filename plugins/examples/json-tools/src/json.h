/* A reader of JSON (RFC 8259) that keeps every value as it was written, and writers for what it read. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Deepest nesting of arrays and objects. */
#define JSON_MAX_DEPTH 512
/* Longest text, in bytes. */
#define JSON_MAX_BYTES (16u << 20)
#define JSON_MAX_INDENT 16

typedef enum {
    JSON_OK,
    JSON_INVALID,   /* the text is no JSON */
    JSON_TOO_DEEP,
    JSON_TOO_LONG,
    JSON_NO_MEMORY,
} json_status;

/* Why a text could not be read, and where: `message` is a constant. */
typedef struct {
    json_status status;
    const char *message;
    size_t at;
} json_error;

/* Bytes of the text. */
typedef struct {
    size_t start, end;
} json_span;

typedef enum { JSON_SCALAR, JSON_ARRAY, JSON_OBJECT } json_kind;

#define JSON_NONE UINT32_MAX

/* A value. Its name is that of the object's member, quotes and all, and empty elsewhere. */
typedef struct {
    json_kind kind;
    json_span name, value;
    uint32_t first, next; /* the first in it, and the one after it, by their index: JSON_NONE for none */
} json_node;

/* A text that was read. `nodes[0]` is the outermost value. */
typedef struct {
    const char *text;
    size_t length;
    json_node *nodes;
    uint32_t count, capacity;
} json_document;

/* Something being written. Once `failed` is set, nothing more is. */
typedef struct {
    char *bytes;
    size_t length, capacity;
    bool failed;
} json_buffer;

/* How it is laid out: `indent` times `unit` before each line for each level, or, where `unit` is 0, no blanks at all. */
typedef struct {
    char unit; /* ' ', '\t' or 0 */
    unsigned indent; /* at most JSON_MAX_INDENT */
    bool crlf; /* lines end with CR LF */
} json_style;

/* Reads `text`, which must outlive `document`. Where it answers false, `error` is filled in and there is nothing to free. */
bool json_read(json_document *document, const char *text, size_t length, json_error *error);
void json_free(json_document *document);

/* Sorts the members of all objects by their names. Those with the same name keep their order. False: no memory. */
bool json_sort(json_document *document);

/* Writes the whole of it without any blanks. */
void json_write(const json_document *document, json_buffer *out);

void json_append(json_buffer *out, const char *bytes, size_t length);
void json_buffer_free(json_buffer *buffer);

/* How the text is indented: what stands before its first line that is, or `otherwise` where none is. Line ends are those of the text. */
json_style json_style_of(const char *text, size_t length, json_style otherwise);

/* A blank between two words that has to be another one. */
typedef struct {
    json_span blank;
    const char *wanted; /* lives as long as the call */
    size_t length;
} json_edit;

typedef void (*json_on_edit)(void *context, json_edit edit);

/* Tells in order, by `edit`, which blanks have to be changed for a text, which was read before without a fault, to be in a style. */
void json_format(const char *text, size_t length, json_style style, json_on_edit edit, void *context);

/* Writes the text in a style. */
void json_laid_out(const char *text, size_t length, json_style style, json_buffer *out);

/* Counting lines and columns (UTF-16 code units) in one run over a text: begins with zeros, and only goes forward. */
typedef struct {
    size_t at;
    uint32_t line, column;
} json_place;

void json_advance(json_place *place, const char *text, size_t length, size_t to);
/* The byte at a line and column; `length` behind the end. */
size_t json_offset(const char *text, size_t length, uint32_t line, uint32_t column);

#endif
