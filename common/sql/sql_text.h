/* sql_text.h - just enough of PostgreSQL's lexer to walk over tokens.
 *
 * Pure, no allocation. For looking at text that PostgreSQL's own parser has accepted (what kind of
 * statement is this?) and for helpful sentences about text that it has not: nothing that runs is
 * decided by cutting with it. */
#ifndef SKEIN_COMMON_SQL_SQL_TEXT_H
#define SKEIN_COMMON_SQL_SQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum sql_token_kind {
    SQL_TOKEN_END,
    SQL_TOKEN_WORD,   /* an unquoted name, a keyword or a number */
    SQL_TOKEN_QUOTED, /* a string, a quoted name or a dollar-quoted body */
    SQL_TOKEN_OTHER,  /* one character */
};

struct sql_token {
    enum sql_token_kind kind;
    const char *data;
    size_t size;
};

struct sql_text {
    const char *data;
    size_t size;
    size_t at;
};

/* Steps over white space and comments, which nest. */
void sql_text_skip_blanks(struct sql_text *text);
struct sql_token sql_text_next(struct sql_text *text);

/* Without regard to case; `keyword` in upper case. */
bool sql_token_is(struct sql_token token, const char *keyword);

#endif
