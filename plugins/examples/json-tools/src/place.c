/* Lines and columns, as editors count them: from 0, columns in UTF-16 code units. */
#include "json.h"

/* Of the character that begins with this byte; bytes that go on with one count nothing. */
static uint32_t units(char byte) {
    unsigned char first = (unsigned char)byte;
    if (first >= 0x80 && first < 0xc0) return 0;
    return first >= 0xf0 ? 2 : 1;
}

void json_advance(json_place *place, const char *text, size_t length, size_t to) {
    for (; place->at < to && place->at < length; place->at++) {
        char byte = text[place->at];
        bool is_crlf = byte == '\r' && place->at + 1 < length && text[place->at + 1] == '\n';
        if (byte == '\n' || (byte == '\r' && !is_crlf)) {
            place->line++;
            place->column = 0;
        } else {
            place->column += units(byte);
        }
    }
}

size_t json_offset(const char *text, size_t length, uint32_t line, uint32_t column) {
    json_place place = {0, 0, 0};
    while (place.at < length && (place.line < line || (place.line == line && place.column < column))) {
        json_advance(&place, text, length, place.at + 1);
        if (place.line > line) return place.at - 1;
    }
    while (place.at < length && units(text[place.at]) == 0) place.at++;
    return place.at;
}
