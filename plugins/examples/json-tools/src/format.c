/* Laying texts out: only blanks between words change. */
#include <string.h>

#include "json.h"

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool is_mark(char byte) {
    return byte != 0 && strchr("{}[],:", byte) != NULL;
}

/* The next word from `at` on: a mark, a text in quotes, a number, `true` …; empty at the end. */
static json_span next_word(const char *text, size_t length, size_t at) {
    while (at < length && is_blank(text[at])) at++;
    json_span word = {at, at};
    if (at == length) return word;
    if (is_mark(text[at])) {
        word.end++;
    } else if (text[at] == '"') {
        for (at++; at < length && text[at] != '"'; at++) {
            if (text[at] == '\\') at++;
        }
        word.end = at < length ? at + 1 : length;
    } else {
        while (at < length && !is_blank(text[at]) && !is_mark(text[at]) && text[at] != '"') at++;
        word.end = at;
    }
    return word;
}

/* A line break with the deepest indentation: of it, what is needed. */
typedef struct {
    char bytes[2 + JSON_MAX_DEPTH * JSON_MAX_INDENT];
    size_t end_of_line, indent;
} line_break;

static void prepare(line_break *line, json_style style) {
    line->end_of_line = 0;
    if (style.crlf) line->bytes[line->end_of_line++] = '\r';
    line->bytes[line->end_of_line++] = '\n';
    line->indent = style.indent <= JSON_MAX_INDENT ? style.indent : JSON_MAX_INDENT;
    memset(line->bytes + line->end_of_line, style.unit, sizeof line->bytes - line->end_of_line);
}

/* What stands between two words; 0 is the beginning or the end of the text. */
static json_edit wanted(char before, char after, size_t depth, json_style style, const line_break *line) {
    json_edit edit = {{0, 0}, "", 0};
    bool is_open = before == '{' || before == '[';
    bool is_close = after == '}' || after == ']';
    if (style.unit == 0 || before == 0 || after == ',' || after == ':' || (is_open && is_close)) return edit;
    if (before == ':') {
        edit.wanted = " ";
        edit.length = 1;
    } else if (is_open || is_close || before == ',' || after == 0) {
        edit.wanted = line->bytes;
        edit.length = line->end_of_line + depth * line->indent;
    }
    return edit;
}

void json_format(const char *text, size_t length, json_style style, json_on_edit each, void *context) {
    line_break line;
    prepare(&line, style);
    size_t depth = 0, at = 0;
    char before = 0;
    for (;;) {
        json_span word = next_word(text, length, at);
        bool is_end = word.start == word.end;
        char after = is_end ? 0 : text[word.start];
        if ((after == '}' || after == ']') && depth > 0) depth--;
        json_edit edit = wanted(before, after, depth, style, &line);
        edit.blank = (json_span){at, word.start};
        bool is_same = edit.length == word.start - at && memcmp(text + at, edit.wanted, edit.length) == 0;
        if (!is_same) each(context, edit);
        if (is_end) return;
        if ((after == '{' || after == '[') && depth < JSON_MAX_DEPTH) depth++;
        before = after;
        at = word.end;
    }
}

typedef struct {
    const char *text;
    size_t written;
    json_buffer *out;
} copy;

static void copy_edited(void *context, json_edit edit) {
    copy *copy = context;
    json_append(copy->out, copy->text + copy->written, edit.blank.start - copy->written);
    json_append(copy->out, edit.wanted, edit.length);
    copy->written = edit.blank.end;
}

void json_laid_out(const char *text, size_t length, json_style style, json_buffer *out) {
    copy copy = {text, 0, out};
    json_format(text, length, style, copy_edited, &copy);
    json_append(out, text + copy.written, length - copy.written);
}

json_style json_style_of(const char *text, size_t length, json_style otherwise) {
    json_style style = otherwise;
    const char *line_end = length > 0 ? memchr(text, '\n', length) : NULL;
    style.crlf = line_end != NULL && line_end > text && line_end[-1] == '\r';
    for (; line_end != NULL; line_end = memchr(line_end + 1, '\n', (size_t)(text + length - line_end - 1))) {
        const char *first = line_end + 1, *at = first;
        while (at < text + length && *at == *first && (*at == ' ' || *at == '\t')) at++;
        if (at == first || at == text + length || is_blank(*at)) continue;
        size_t width = (size_t)(at - first);
        style.unit = *first;
        style.indent = *first == '\t' ? 1 : width <= JSON_MAX_INDENT ? (unsigned)width : JSON_MAX_INDENT;
        return style;
    }
    return style;
}
