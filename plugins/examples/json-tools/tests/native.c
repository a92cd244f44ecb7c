/* Tests of the reader and the writers on the machine itself, for sanitizers: `make check`. Takes the number of fuzzed texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/json.h"

static int faults;

static void expect(bool is_so, const char *what, const char *text, size_t length) {
    if (is_so) return;
    faults++;
    fprintf(stderr, "%s: %.*s\n", what, (int)length, text);
}

/* A copy with exactly its length, so that reading beyond it is seen. */
static char *exact(const char *text, size_t length) {
    char *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL) abort();
    memcpy(copy, text, length);
    return copy;
}

static const json_style COMPACT = {0, 0, false}, TWO = {' ', 2, false}, TABS = {'\t', 1, true};

static json_buffer laid_out(const char *text, size_t length, json_style style) {
    json_buffer out = {0};
    json_laid_out(text, length, style, &out);
    return out;
}

static bool is_same(const json_buffer *one, const char *text, size_t length) {
    return one->length == length && (length == 0 || memcmp(one->bytes, text, length) == 0);
}

static void becomes(const char *text, json_style style, const char *wanted) {
    json_buffer out = laid_out(text, strlen(text), style);
    expect(is_same(&out, wanted, strlen(wanted)), "laid out otherwise", out.bytes, out.length);
    json_buffer_free(&out);
}

static void test_layout(void) {
    becomes(" {\"a\" :[1,2 , { } ],\"b\":\"x, {y}\\\"\"}", TWO, "{\n  \"a\": [\n    1,\n    2,\n    {}\n  ],\n  \"b\": \"x, {y}\\\"\"\n}\n");
    becomes("[1,\n[ ]]", TABS, "[\r\n\t1,\r\n\t[]\r\n]\r\n");
    becomes("{ \"a\" : [ 1.50 , -0e+1 , \"\\u00e9\" ] }\n", COMPACT, "{\"a\":[1.50,-0e+1,\"\\u00e9\"]}");
    becomes("true", TWO, "true\n");
}

static void sorts_to(const char *text, const char *wanted) {
    json_document document;
    json_error error;
    json_buffer out = {0};
    bool is_good = json_read(&document, text, strlen(text), &error) && json_sort(&document);
    if (is_good) {
        json_write(&document, &out);
        json_free(&document);
    }
    expect(is_good && is_same(&out, wanted, strlen(wanted)), "sorted otherwise", text, strlen(text));
    json_buffer_free(&out);
}

static void test_sorting(void) {
    sorts_to("{\"b\":1,\"a\":{\"d\":[{\"y\":1,\"x\":2}],\"c\":3},\"B\":0}", "{\"B\":0,\"a\":{\"c\":3,\"d\":[{\"x\":2,\"y\":1}]},\"b\":1}");
    /* The same name keeps its order; escapes are what they stand for; characters beyond U+FFFF come last. */
    sorts_to("{\"b\":1,\"\\u0061\":2,\"a\":3}", "{\"\\u0061\":2,\"a\":3,\"b\":1}");
    sorts_to("{\"\\ud83d\\ude00\":1,\"\\uffff\":2,\"\":3,\"\\ud83d\":4}", "{\"\":3,\"\\ud83d\":4,\"\\uffff\":2,\"\\ud83d\\ude00\":1}");
    sorts_to("{\"\\tb\":1,\"\\ta\":2}", "{\"\\ta\":2,\"\\tb\":1}");
    sorts_to("[]", "[]");
    sorts_to(" null ", "null");
}

static void fails_at(const char *text, size_t at) {
    json_document document;
    json_error error;
    char *copy = exact(text, strlen(text));
    bool is_good = json_read(&document, copy, strlen(text), &error);
    expect(!is_good && error.status == JSON_INVALID && error.at == at && error.message[0] != 0, "not refused there", text, strlen(text));
    if (is_good) json_free(&document);
    free(copy);
}

static void test_faults(void) {
    fails_at("", 0);
    fails_at("  ", 2);
    fails_at("[1,]", 3);
    fails_at("{\"a\":1,}", 7);
    fails_at("{a:1}", 1);
    fails_at("{\"a\" 1}", 5);
    fails_at("[1 2]", 3);
    fails_at("[1", 2);
    fails_at("{\"a\":1]", 6);
    fails_at("01", 1);
    fails_at("-", 1);
    fails_at("1.", 2);
    fails_at("1e+", 3);
    fails_at("\"a", 2);
    fails_at("\"a\nb\"", 2);
    fails_at("\"\\x\"", 2);
    fails_at("\"\\u12g4\"", 5);
    fails_at("nul", 0);
    fails_at("1 1", 2);
    fails_at("// no", 0);
    fails_at("'a'", 0);
    fails_at("]", 0);
}

static void test_depth(void) {
    char deep[2 * (JSON_MAX_DEPTH + 1)];
    for (size_t depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        json_document document;
        json_error error;
        bool is_good = json_read(&document, deep, 2 * depth, &error);
        bool is_wanted = is_good ? depth == JSON_MAX_DEPTH : depth > JSON_MAX_DEPTH && error.status == JSON_TOO_DEEP;
        expect(is_wanted, "depth", "", 0);
        if (!is_good) continue;
        json_buffer out = {0};
        json_write(&document, &out);
        expect(is_same(&out, deep, 2 * depth), "deep", "", 0);
        json_buffer_free(&out);
        json_free(&document);
    }
    json_document document;
    json_error error;
    expect(!json_read(&document, "", JSON_MAX_BYTES + 1, &error) && error.status == JSON_TOO_LONG, "length", "", 0);
}

static void test_styles(void) {
    static const struct { const char *text; char unit; unsigned indent; bool crlf; } CASES[] = {
        {"{}", ' ', 7, false}, {"{\n\n   \n    \"a\": 1}", ' ', 4, false}, {"{\r\n\t\"a\": 1}", '\t', 1, true}, {"", ' ', 7, false},
        {"[\n                    1]", ' ', JSON_MAX_INDENT, false},
    };
    for (size_t index = 0; index < sizeof CASES / sizeof *CASES; index++) {
        size_t length = strlen(CASES[index].text);
        char *copy = exact(CASES[index].text, length);
        json_style style = json_style_of(copy, length, (json_style){' ', 7, false});
        bool is_so = style.unit == CASES[index].unit && style.indent == CASES[index].indent && style.crlf == CASES[index].crlf;
        expect(is_so, "style", CASES[index].text, length);
        free(copy);
    }
}

static void test_places(void) {
    static const char TEXT[] = "a\xc3\xa9\xf0\x9f\x98\x80z\r\nb\rc\n";
    static const struct { size_t at; uint32_t line, column; } CASES[] = {{0, 0, 0}, {1, 0, 1}, {3, 0, 2}, {7, 0, 4}, {10, 1, 0}, {12, 2, 0}, {14, 3, 0}};
    size_t length = sizeof TEXT - 1;
    for (size_t index = 0; index < sizeof CASES / sizeof *CASES; index++) {
        json_place place = {0, 0, 0};
        json_advance(&place, TEXT, length, CASES[index].at);
        expect(place.line == CASES[index].line && place.column == CASES[index].column, "place", TEXT, length);
        expect(json_offset(TEXT, length, CASES[index].line, CASES[index].column) == CASES[index].at, "offset", TEXT, length);
    }
    expect(json_offset(TEXT, length, 99, 0) == length, "behind the end", TEXT, length);
    expect(json_offset(TEXT, length, 1, 99) == 11, "behind the line", TEXT, length);
}

/* Random texts: pieces of JSON, whole or with bytes changed. */
static uint64_t chance = 88172645463325252u;

static size_t below(size_t limit) {
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (size_t)(chance % limit);
}

static void generate(json_buffer *out, unsigned depth) {
    static const char *SCALARS[] = {"null", "true", "false", "0", "-1.5e3", "\"\"", "\"a\\n\\u00e9\\\"\"", "\"\xc3\xa9\"", "12"};
    static const char *BLANKS[] = {"", "", " ", "\n", "\r\n", "\t", "  \n "};
    size_t kind = below(depth > 6 ? 1 : 3);
    const char *before = BLANKS[below(7)];
    json_append(out, before, strlen(before));
    if (kind == 0) {
        const char *scalar = SCALARS[below(9)];
        json_append(out, scalar, strlen(scalar));
        return;
    }
    json_append(out, kind == 1 ? "[" : "{", 1);
    for (size_t count = below(4), index = 0; index < count; index++) {
        const char *blank = BLANKS[below(7)];
        if (index > 0) json_append(out, ",", 1);
        json_append(out, blank, strlen(blank));
        if (kind == 2) {
            char name[] = "\"a\" :";
            name[1] = (char)('a' + below(4));
            json_append(out, name, strlen(name));
        }
        generate(out, depth + 1);
        json_append(out, blank, strlen(blank));
    }
    json_append(out, kind == 1 ? "]" : "}", 1);
}

static json_buffer compact_of(const char *text, size_t length, bool sorts) {
    json_document document;
    json_error error;
    json_buffer out = {0};
    out.failed = !json_read(&document, text, length, &error);
    if (out.failed) return out;
    if (sorts) out.failed = !json_sort(&document);
    json_write(&document, &out);
    json_free(&document);
    return out;
}

/* What holds of every text that can be read. */
static void check(const char *text, size_t length) {
    json_buffer compact = compact_of(text, length, false);
    if (!compact.failed) {
        json_buffer minified = laid_out(text, length, COMPACT);
        expect(is_same(&minified, compact.bytes, compact.length), "the writer and the layout differ", text, length);
        json_style styles[] = {TWO, TABS, {' ', 0, false}};
        for (size_t index = 0; index < 3; index++) {
            json_buffer once = laid_out(text, length, styles[index]), twice = laid_out(once.bytes, once.length, styles[index]);
            json_buffer again = compact_of(once.bytes, once.length, false);
            expect(is_same(&twice, once.bytes, once.length), "not the same the second time", text, length);
            expect(!again.failed && is_same(&again, compact.bytes, compact.length), "another value", text, length);
            json_buffer_free(&once);
            json_buffer_free(&twice);
            json_buffer_free(&again);
        }
        json_buffer sorted = compact_of(text, length, true), resorted = compact_of(sorted.bytes, sorted.length, true);
        expect(sorted.length == compact.length && is_same(&resorted, sorted.bytes, sorted.length), "sorting", text, length);
        json_buffer_free(&minified);
        json_buffer_free(&sorted);
        json_buffer_free(&resorted);
    }
    json_buffer_free(&compact);
    /* What cannot be read must at least do no harm. */
    json_buffer any = laid_out(text, length, TWO);
    json_buffer_free(&any);
    json_style_of(text, length, TWO);
    json_offset(text, length, (uint32_t)below(4), (uint32_t)below(9));
}

static void fuzz(size_t rounds) {
    static const char MARKS[] = "{}[],:\"\\ \n\r\t0129-+.eEtfnul/\x01\xc3\xff";
    for (size_t round = 0; round < rounds; round++) {
        json_buffer text = {0};
        generate(&text, 0);
        size_t changes = text.length == 0 ? 0 : below(4);
        for (size_t index = 0; index < changes; index++) text.bytes[below(text.length)] = MARKS[below(sizeof MARKS)];
        size_t length = below(4) == 0 ? below(text.length + 1) : text.length;
        char *copy = exact(text.bytes, length);
        check(copy, length);
        free(copy);
        json_buffer_free(&text);
    }
}

int main(int count, char **arguments) {
    test_layout();
    test_sorting();
    test_faults();
    test_depth();
    test_styles();
    test_places();
    fuzz(count > 1 ? strtoul(arguments[1], NULL, 10) : 100000);
    printf("%d faults\n", faults);
    return faults > 0;
}
