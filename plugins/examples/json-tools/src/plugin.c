/* What the plugin offers. Everything else knows nothing of Coditect. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "plugin.h"

/* Above this many changes, the text is replaced as a whole. */
#define MAX_EDITS 2000
#define MAX_MESSAGE_BYTES 200

typedef coditect_plugin_types_error_t plugin_error;
typedef coditect_plugin_types_text_edit_t text_edit;

/* A copy that the caller frees. False: no memory. */
static bool copy_string(plugin_string_t *out, const char *bytes, size_t length) {
    out->ptr = malloc(length + 1);
    out->len = out->ptr == NULL ? 0 : length;
    if (out->ptr != NULL) memcpy(out->ptr, bytes, length);
    return out->ptr != NULL;
}

static bool failed(plugin_error *error, uint8_t tag, const char *message) {
    error->tag = tag;
    /* All cases hold a string at the same place. */
    copy_string(&error->val.failed, message, strlen(message));
    return false;
}

static bool no_memory(plugin_error *error) {
    return failed(error, CODITECT_PLUGIN_TYPES_ERROR_LIMIT, "There is not enough memory for this text.");
}

/* Appends a number: printf would be half of the component. */
static char *put_number(char *out, uint32_t number) {
    char digits[10];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10); while ((number /= 10) > 0);
    while (count > 0) *out++ = digits[--count];
    return out;
}

static char *put_text(char *out, const char *text) {
    size_t length = strlen(text);
    memcpy(out, text, length);
    return out + length;
}

static bool unreadable(plugin_error *error, const json_error *fault, const char *text, size_t length) {
    if (fault->status == JSON_NO_MEMORY) return no_memory(error);
    json_place place = {0, 0, 0};
    json_advance(&place, text, length, fault->at);
    char message[MAX_MESSAGE_BYTES];
    char *end = put_text(message, "Line ");
    end = put_number(end, place.line + 1);
    end = put_text(end, ", column ");
    end = put_number(end, place.column + 1);
    end = put_text(end, ": ");
    end = put_text(end, fault->message);
    end = put_text(end, ".");
    *end = 0;
    uint8_t tag = fault->status == JSON_INVALID ? CODITECT_PLUGIN_TYPES_ERROR_INVALID : CODITECT_PLUGIN_TYPES_ERROR_LIMIT;
    return failed(error, tag, message);
}

/* Edits being collected; places are counted on in one run over the text. */
typedef struct {
    const char *text;
    size_t length;
    json_span within;
    json_place place;
    text_edit *edits;
    size_t count, capacity;
    bool failed;
} collector;

static void collect(void *context, json_edit edit) {
    collector *all = context;
    if (all->failed || edit.blank.start < all->within.start || edit.blank.end > all->within.end) return;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity == 0 ? 32 : all->capacity * 2;
        text_edit *edits = realloc(all->edits, capacity * sizeof *edits);
        all->failed = edits == NULL;
        if (all->failed) return;
        all->edits = edits;
        all->capacity = capacity;
    }
    text_edit *next = &all->edits[all->count];
    json_advance(&all->place, all->text, all->length, edit.blank.start);
    next->range.start.line = all->place.line;
    next->range.start.column = all->place.column;
    json_advance(&all->place, all->text, all->length, edit.blank.end);
    next->range.end.line = all->place.line;
    next->range.end.column = all->place.column;
    all->failed = !copy_string(&next->text, edit.wanted, edit.length);
    all->count += !all->failed;
}

static void forget(collector *all) {
    for (size_t index = 0; index < all->count; index++) free(all->edits[index].text.ptr);
    free(all->edits);
    all->edits = NULL;
    all->count = all->capacity = 0;
}

/* The whole text replaced by another one; takes `text` over. False: no memory. */
static bool replaced(const char *before, size_t length, json_buffer *text, text_edit **edits) {
    *edits = text->failed ? NULL : malloc(sizeof **edits);
    if (*edits == NULL) {
        json_buffer_free(text);
        return false;
    }
    json_place end = {0, 0, 0};
    json_advance(&end, before, length, length);
    (*edits)->range.start.line = (*edits)->range.start.column = 0;
    (*edits)->range.end.line = end.line;
    (*edits)->range.end.column = end.column;
    (*edits)->text.ptr = (uint8_t *)text->bytes;
    (*edits)->text.len = text->length;
    return true;
}

/* Whether it is JSON. */
static bool is_good(const char *text, size_t length, plugin_error *error) {
    json_document document;
    json_error fault;
    if (!json_read(&document, text, length, &fault)) return unreadable(error, &fault, text, length);
    json_free(&document);
    return true;
}

bool exports_coditect_plugin_formatters_format(exports_coditect_plugin_formatters_document_t *document,
                                               exports_coditect_plugin_formatters_range_t *range,
                                               exports_coditect_plugin_formatters_options_t *options,
                                               exports_coditect_plugin_formatters_list_text_edit_t *ret, plugin_error *error) {
    const char *text = (const char *)document->text.ptr;
    size_t length = document->text.len;
    *ret = (exports_coditect_plugin_formatters_list_text_edit_t){NULL, 0};
    if (!is_good(text, length, error)) return false;
    json_style style = {' ', options->tab_size, false};
    if (!options->insert_spaces) style.unit = '\t', style.indent = 1;
    style.crlf = json_style_of(text, length, style).crlf;
    collector all = {.text = text, .length = length, .within = {0, length}};
    if (range != NULL) {
        all.within.start = json_offset(text, length, range->start.line, range->start.column);
        all.within.end = json_offset(text, length, range->end.line, range->end.column);
    }
    json_format(text, length, style, collect, &all);
    if (!all.failed && all.count > MAX_EDITS && range == NULL) {
        forget(&all);
        json_buffer laid_out = {0};
        json_laid_out(text, length, style, &laid_out);
        all.failed = !replaced(text, length, &laid_out, &all.edits);
        all.count = 1;
    }
    if (all.failed) {
        if (all.edits != NULL) forget(&all);
        return no_memory(error);
    }
    ret->ptr = all.edits;
    ret->len = all.count;
    return true;
}

static bool sorted(const char *text, size_t length, json_buffer *out, plugin_error *error) {
    json_document document;
    json_error fault;
    if (!json_read(&document, text, length, &fault)) return unreadable(error, &fault, text, length);
    json_buffer compact = {0};
    compact.failed = !json_sort(&document);
    json_write(&document, &compact);
    json_free(&document);
    json_style style = json_style_of(text, length, (json_style){' ', 2, false});
    if (!compact.failed) json_laid_out(compact.bytes, compact.length, style, out);
    out->failed = out->failed || compact.failed;
    json_buffer_free(&compact);
    return !out->failed || no_memory(error);
}

static bool minified(const char *text, size_t length, json_buffer *out, plugin_error *error) {
    if (!is_good(text, length, error)) return false;
    json_laid_out(text, length, (json_style){0, 0, false}, out);
    return !out->failed || no_memory(error);
}

bool exports_coditect_plugin_commands_run(plugin_string_t *command, exports_coditect_plugin_commands_context_t *context,
                                          exports_coditect_plugin_commands_outcome_t *ret, plugin_error *error) {
    memset(ret, 0, sizeof *ret);
    if (!context->document.is_some) {
        return failed(error, CODITECT_PLUGIN_TYPES_ERROR_INVALID, "Open a JSON file first.");
    }
    const char *text = (const char *)context->document.val.text.ptr;
    size_t length = context->document.val.text.len;
    bool sorts = command->len == strlen("sort-keys") && memcmp(command->ptr, "sort-keys", command->len) == 0;
    json_buffer out = {0};
    if (!(sorts ? sorted : minified)(text, length, &out, error)) {
        json_buffer_free(&out);
        return false;
    }
    if (out.length == length && memcmp(out.bytes, text, length) == 0) {
        json_buffer_free(&out);
        ret->message.is_some = true;
        const char *told = sorts ? "All keys are sorted already." : "It cannot be any shorter.";
        return copy_string(&ret->message.val, told, strlen(told)) || no_memory(error);
    }
    if (!replaced(text, length, &out, &ret->edits.ptr)) return no_memory(error);
    ret->edits.len = 1;
    return true;
}
