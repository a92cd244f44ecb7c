/* Greets people, and takes spaces from the ends of lines.
 *
 * `coditect-plugin build` makes plugin.h of the contract and of what plugin.toml offers, below .coditect/gen. A function answers true with
 * `ret` filled, or false with `err` filled. What it answers with is freed afterwards: it comes from malloc. */

#include "plugin.h"

#include <stdlib.h>
#include <string.h>

/* The text of a JSON string that needs no unescaping: what stands between its quotation marks. */
static plugin_string_t unquoted(plugin_string_t json) {
    if (json.len < 2) return json;
    return (plugin_string_t){.ptr = json.ptr + 1, .len = json.len - 2};
}

/* `before`, `text` and `after` as one text. */
static plugin_string_t joined(const char *before, plugin_string_t text, const char *after) {
    size_t head = strlen(before), tail = strlen(after);
    plugin_string_t out = {.ptr = malloc(head + text.len + tail), .len = head + text.len + tail};
    if (out.ptr == NULL) abort();
    memcpy(out.ptr, before, head);
    memcpy(out.ptr + head, text.ptr, text.len);
    memcpy(out.ptr + head + text.len, after, tail);
    return out;
}

static bool is(plugin_string_t text, const char *word) {
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

bool exports_coditect_plugin_commands_run(plugin_string_t *command,
                                          exports_coditect_plugin_commands_context_t *context,
                                          exports_coditect_plugin_commands_outcome_t *ret,
                                          exports_coditect_plugin_commands_error_t *err) {
    (void)context;
    if (!is(*command, "greet")) {
        err->tag = CODITECT_PLUGIN_TYPES_ERROR_NOT_FOUND;
        err->val.not_found = joined("There is no command ", *command, ".");
        return false;
    }
    plugin_string_t setting, value, name = {.ptr = (uint8_t *)"you", .len = 3};
    plugin_string_set(&setting, "name");
    if (coditect_plugin_settings_get(&setting, &value)) name = unquoted(value);
    plugin_string_t line = joined("greeted ", name, "");
    coditect_plugin_log_write(CODITECT_PLUGIN_LOG_LEVEL_INFO, &line);
    memset(ret, 0, sizeof *ret);
    ret->message.is_some = true;
    ret->message.val = joined("Hello, ", name, "!");
    return true;
}

/* Columns of a piece of UTF-8 in UTF-16 code units: two for what has four bytes, one for all else. */
static uint32_t columns(const uint8_t *text, size_t bytes) {
    uint32_t units = 0;
    for (size_t at = 0; at < bytes; at++) {
        if ((text[at] & 0xC0) != 0x80) units += text[at] >= 0xF0 ? 2 : 1;
    }
    return units;
}

static size_t without_spaces(const uint8_t *text, size_t bytes) {
    while (bytes > 0 && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t' || text[bytes - 1] == '\r')) bytes--;
    return bytes;
}

bool exports_coditect_plugin_formatters_format(exports_coditect_plugin_formatters_document_t *document,
                                               exports_coditect_plugin_formatters_range_t *maybe_range,
                                               exports_coditect_plugin_formatters_options_t *options,
                                               exports_coditect_plugin_formatters_list_text_edit_t *ret,
                                               exports_coditect_plugin_formatters_error_t *err) {
    (void)maybe_range, (void)options, (void)err;
    const uint8_t *text = document->text.ptr;
    size_t bytes = document->text.len, lines = 1;
    for (size_t at = 0; at < bytes; at++) lines += text[at] == '\n';
    ret->ptr = calloc(lines, sizeof *ret->ptr);
    ret->len = 0;
    if (ret->ptr == NULL) abort();
    size_t begin = 0;
    for (uint32_t line = 0; line < lines; line++) {
        size_t end = begin;
        while (end < bytes && text[end] != '\n') end++;
        size_t kept = without_spaces(text + begin, end - begin);
        if (kept < end - begin) {
            exports_coditect_plugin_formatters_text_edit_t *edit = &ret->ptr[ret->len++];
            edit->range.start.line = edit->range.end.line = line;
            edit->range.start.column = columns(text + begin, kept);
            edit->range.end.column = columns(text + begin, end - begin);
        }
        begin = end + 1;
    }
    return true;
}
