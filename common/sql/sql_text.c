#include "common/sql/sql_text.h"

#include <string.h>

static bool sql_text_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool sql_text_is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool sql_text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool sql_text_is_word(char c)
{
    return sql_text_is_word_start(c) || sql_text_is_digit(c) || c == '$';
}

/* 0 at the end, which no text holds: NUL bytes are refused before. */
static char sql_text_peek(const struct sql_text *text, size_t ahead)
{
    if (ahead >= text->size - text->at) {
        return '\0';
    }
    return text->data[text->at + ahead];
}

static void sql_text_skip_line(struct sql_text *text)
{
    while (text->at < text->size && text->data[text->at] != '\n' && text->data[text->at] != '\r') {
        text->at++;
    }
}

static void sql_text_skip_comment(struct sql_text *text)
{
    size_t depth = 0;

    do {
        if (sql_text_peek(text, 0) == '/' && sql_text_peek(text, 1) == '*') {
            depth++;
            text->at += 2;
        } else if (sql_text_peek(text, 0) == '*' && sql_text_peek(text, 1) == '/') {
            depth--;
            text->at += 2;
        } else {
            text->at++;
        }
    } while (depth > 0 && text->at < text->size);
}

void sql_text_skip_blanks(struct sql_text *text)
{
    for (;;) {
        char c = sql_text_peek(text, 0);
        char next = sql_text_peek(text, 1);
        if (sql_text_is_space(c)) {
            text->at++;
        } else if (c == '-' && next == '-') {
            sql_text_skip_line(text);
        } else if (c == '/' && next == '*') {
            sql_text_skip_comment(text);
        } else {
            return;
        }
    }
}

/* From the opening quote to behind the closing one; a doubled quote is part of the text. */
static void sql_text_skip_quoted(struct sql_text *text, char quote, bool escapes)
{
    text->at++;
    while (text->at < text->size) {
        char c = text->data[text->at];
        bool pair = (c == quote && sql_text_peek(text, 1) == quote) || (escapes && c == '\\');
        text->at += pair && text->at + 1 < text->size ? 2 : 1;
        if (c == quote && !pair) {
            return;
        }
    }
}

/* $tag$ ... $tag$; false where none begins. */
static bool sql_text_skip_dollars(struct sql_text *text)
{
    const char *start = text->data + text->at;
    size_t left = text->size - text->at;
    size_t tag = 1;

    while (tag < left && start[tag] != '$' && sql_text_is_word(start[tag]) &&
           !(tag == 1 && sql_text_is_digit(start[tag]))) {
        tag++;
    }
    if (tag == left || start[tag] != '$') {
        return false;
    }
    tag++;
    const char *end = memmem(start + tag, left - tag, start, tag);
    text->at = end == NULL ? text->size : text->at + (size_t)(end - start) + tag;
    return true;
}

struct sql_token sql_text_next(struct sql_text *text)
{
    struct sql_token token = { .kind = SQL_TOKEN_OTHER };

    sql_text_skip_blanks(text);
    token.data = text->data + text->at;
    size_t start = text->at;
    char c = sql_text_peek(text, 0);
    char next = sql_text_peek(text, 1);
    if (start == text->size) {
        token.kind = SQL_TOKEN_END;
    } else if ((c == 'e' || c == 'E') && next == '\'') {
        text->at++;
        sql_text_skip_quoted(text, '\'', /* escapes= */ true);
        token.kind = SQL_TOKEN_QUOTED;
    } else if (c == '\'' || c == '"') {
        sql_text_skip_quoted(text, c, /* escapes= */ false);
        token.kind = SQL_TOKEN_QUOTED;
    } else if (sql_text_is_digit(c)) {
        while (sql_text_is_word(sql_text_peek(text, 0)) && sql_text_peek(text, 0) != '$') {
            text->at++;
        }
        token.kind = SQL_TOKEN_WORD;
    } else if (sql_text_is_word_start(c)) {
        while (sql_text_is_word(sql_text_peek(text, 0))) {
            text->at++;
        }
        token.kind = SQL_TOKEN_WORD;
    } else if (c == '$' && sql_text_skip_dollars(text)) {
        token.kind = SQL_TOKEN_QUOTED;
    } else {
        text->at++;
    }
    token.size = text->at - start;
    return token;
}

bool sql_token_is(struct sql_token token, const char *keyword)
{
    if (token.kind != SQL_TOKEN_WORD || token.size != strlen(keyword)) {
        return false;
    }
    for (size_t i = 0; i < token.size; i++) {
        char c = token.data[i];
        if ((c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c) != keyword[i]) {
            return false;
        }
    }
    return true;
}
