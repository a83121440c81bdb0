/* sql_script.h - a script cut into statements by PostgreSQL's own grammar.
 *
 * A script is immutable after parsing; any thread may read it. Parsing is thread-safe: it runs on
 * one thread of its own with a large stack, so that hostile nesting cannot end the process, and
 * under a size limit (SCRIPT_BYTES_MAX). */
#ifndef SKEIN_COMMON_SQL_SQL_SCRIPT_H
#define SKEIN_COMMON_SQL_SQL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

struct sql_parser; /* the thread; one per process, made in main */

struct sql_parser *sql_parser_new(void);
void sql_parser_free(struct sql_parser **parser);

struct sql_statement {
    const char *text; /* NUL-terminated, without the semicolon, leading comments dropped */
    uint32_t number;  /* from 1 */
    uint32_t line;    /* of its first token, from 1 */
};

struct sql_script {
    struct sql_statement *statements;
    size_t count;
};
void sql_script_release(struct sql_script *script);

enum sql_problem_kind {
    SQL_PROBLEM_NONE,
    SQL_PROBLEM_SYNTAX,
    SQL_PROBLEM_TRANSACTION_CONTROL, /* BEGIN, COMMIT, SAVEPOINT, PREPARE TRANSACTION, ... */
    SQL_PROBLEM_LIMIT,
};

struct sql_problem {
    enum sql_problem_kind kind;
    uint32_t statement; /* from 1; 0 where unknown */
    uint32_t line;      /* from 1 */
    struct error error; /* one sentence, without file and line */
};

/* False with the first problem. */
MUST_CHECK bool sql_script_parse(struct sql_parser *parser, struct bytes text,
                                 struct sql_script *ret_script, struct sql_problem *ret_problem);

/* Cut as by sql_script_parse, whatever its statements are: for readers that go on after what it
 * refuses. */
MUST_CHECK bool sql_script_split(struct sql_parser *parser, struct bytes text,
                                 struct sql_script *ret_script, struct sql_problem *ret_problem);

/* Whether sql_script_parse takes the statement. */
MUST_CHECK bool sql_script_check(const struct sql_statement *statement,
                                 struct sql_problem *ret_problem);

/* The line of a position inside a statement, as PostgreSQL reports it: `position` counts characters
 * from 1; 0 gives the statement's own line. */
uint32_t sql_statement_line_at(const struct sql_statement *statement, uint32_t position);
/* The byte offset of such a position in any text; its size where the text ends before. */
size_t sql_script_offset(const char *data, size_t size, uint32_t position);

#endif
