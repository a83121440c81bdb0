/* sql_parser.h - PostgreSQL's parser on a thread of its own.
 *
 * Private to common/sql. Thread-safe; one request at a time, others wait. The parser has no check
 * of its stack's depth and keeps state for each thread it runs on, so it runs on one thread with a
 * very large stack for the life of the process. pg_query_exit is never called there: together with
 * the thread's own clean-up it would free twice. */
#ifndef SKEIN_COMMON_SQL_SQL_PARSER_H
#define SKEIN_COMMON_SQL_SQL_PARSER_H

#include <pg_query.h>

#include "common/core/base.h"
#include "common/sql/sql_script.h"

/* Runs on the parser's thread, where recursion over a tree is safe: its stack holds the deepest
 * tree that the parser can make of SCRIPT_BYTES_MAX. Blocks until the job is done. `context` is not
 * NULL and belongs to this call alone. */
typedef void sql_parser_job(void *context);
void sql_parser_call(struct sql_parser *parser, sql_parser_job *job, void *context);

/* Blocks until the answer is there. `text` is NUL-terminated. Free the result with
 * pg_query_free_split_result. */
PgQuerySplitResult sql_parser_split(struct sql_parser *parser, const char *text);

#endif
