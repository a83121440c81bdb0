/* batch_script.h - a `.batch.sql`: which keys there are, and what is done with each chunk of them.
 *
 * Two statements. The first, the keys, is a SELECT whose columns are the key: it yields every key
 * that is to be visited, in no order and without limit; skein takes a chunk of them in the order of
 * the columns, behind the last chunk. The second, the work, is one INSERT, UPDATE, DELETE or SELECT
 * that finds the chunk's keys in a table named `chunk`:
 *
 *   SELECT id FROM accounts WHERE full_name IS NULL;
 *   UPDATE accounts SET full_name = first_name || ' ' || last_name
 *     FROM chunk WHERE accounts.id = chunk.id;
 *
 * Thread-safe: trees are read on the parser's thread. Immutable once parsed. */
#ifndef SKEIN_COMMON_SQL_BATCH_SCRIPT_H
#define SKEIN_COMMON_SQL_BATCH_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/buf.h"
#include "common/core/limits.h"
#include "common/sql/sql_script.h"

struct batch_script {
    struct sql_script sql;                /* the keys, the work */
    char *columns[BATCH_KEY_COLUMNS_MAX]; /* of the key, quoted: "id" */
    size_t column_count;
    size_t with_bytes; /* of the work, up to behind its own WITH [RECURSIVE]; 0: it has none */
    bool recursive;
};
void batch_script_release(struct batch_script *script);

/* False with the first problem. */
MUST_CHECK bool batch_script_parse(struct sql_parser *parser, struct bytes text,
                                   struct batch_script *ret_script,
                                   struct sql_problem *ret_problem);

const struct sql_statement *batch_script_keys(const struct batch_script *script);
const struct sql_statement *batch_script_work(const struct batch_script *script);

/* `SELECT columns FROM (keys) ...`: one chunk's keys. Its parameters are the number of rows, then,
 * unless it is the `first` chunk, the last key before it, column by column. Keys that are equal are
 * never parted. */
void batch_script_put_chunk(const struct batch_script *script, bool first, struct buf *text);

/* The one statement that does a chunk: the table `chunk`, then `extra` (further tables of the WITH,
 * each with its comma in front; they may read `chunk`), then the work. The same parameters; `extra`
 * may have more. */
void batch_script_put(const struct batch_script *script, bool first, const char *extra,
                      struct buf *text);

/* Whose words a position (characters from 1) of such a text is: false for skein's own, else the
 * statement and the line of the file. */
bool batch_script_locate(const struct batch_script *script, const char *text, uint32_t position,
                         const struct sql_statement **ret_statement, uint32_t *ret_line);

#endif
