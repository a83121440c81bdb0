/* pg_conn.h - one connection to PostgreSQL, used by one thread; libpq stays inside this folder.
 *
 * Everything blocks, but is bounded: connecting by connect_timeout; a server that falls silent is
 * asked whether it is alive (PG_PING_AFTER_MS), and one that is not costs the connection; one that
 * is alive may be silent for as long as pg_conn_set_patience says. */
#ifndef SKEIN_COMMON_PG_PG_CONN_H
#define SKEIN_COMMON_PG_PG_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

struct pg_conn;
struct pg_result;

/* What the server said of an error; texts are copied and bounded. */
struct pg_error {
    char sqlstate[6]; /* "" when the connection broke or was never there */
    char message[2048];
    char detail[1024];
    char hint[1024];
    uint32_t position; /* characters from 1 into the statement; 0 if none */
};

/* `conninfo` is libpq's; `database` overrides its dbname unless "". ERR_UNAVAILABLE if the server
 * does not answer, ERR_REFUSED if it refuses this user, ERR_NOT_FOUND if the database is missing,
 * ERR_LIMIT for too many connections. The message never holds a password. */
MUST_CHECK bool pg_conn_open(const char *conninfo, const char *database, const char *application,
                             struct pg_conn **ret_conn, struct error *err);
void pg_conn_free(struct pg_conn **conn);
bool pg_conn_is_lost(const struct pg_conn *conn);
/* Whether the server still holds the other end, as far as can be seen without waiting: for whoever
 * works on something else while the connection is idle. */
bool pg_conn_is_there(struct pg_conn *conn);
/* Whether a transaction is open, failed or not, by the server's last word. */
bool pg_conn_in_transaction(const struct pg_conn *conn);
uint32_t pg_conn_backend_pid(const struct pg_conn *conn);
int pg_conn_server_version(const struct pg_conn *conn); /* 150020 */
/* How long the server may take from one byte to the next; 0: for ever, while it is alive. A new
 * connection has PG_QUERY_MAX_MS. */
void pg_conn_set_patience(struct pg_conn *conn, uint64_t milliseconds);
/* Asks the server to cancel what runs. Thread-safe while the connection lives; blocks for
 * PG_CANCEL_WAIT_MS at most. */
void pg_conn_cancel(struct pg_conn *conn);

/* One statement with text parameters (NULL: SQL null), one round trip. On failure `ret_pg_error`
 * (may be NULL) has the server's words; err is ERR_INVALID for an SQL error, ERR_UNCERTAIN for a
 * connection that broke after sending, ERR_UNAVAILABLE before. */
MUST_CHECK bool pg_query(struct pg_conn *conn, const char *sql, const char *const *parameters,
                         size_t parameter_count, struct pg_result **ret_result,
                         struct pg_error *ret_pg_error, struct error *err);

/* Several statements in one text, without parameters and without rows: one implicit transaction
 * unless the text has BEGIN and COMMIT of its own (then a failure leaves it open: send ROLLBACK).
 * Errors as pg_query. */
MUST_CHECK bool pg_script(struct pg_conn *conn, const char *sql, struct pg_error *ret_pg_error,
                          struct error *err);

size_t pg_result_row_count(const struct pg_result *result);
size_t pg_result_column_count(const struct pg_result *result);
/* Borrowed; NULL for SQL null. */
const char *pg_result_text(const struct pg_result *result, size_t row, size_t column);
bool pg_result_bool(const struct pg_result *result, size_t row, size_t column);
uint64_t pg_result_u64(const struct pg_result *result, size_t row, size_t column);
/* Of which table's column (pg_attribute's attrelid and attnum) this one is; 0 of an expression. */
void pg_result_origin(const struct pg_result *result, size_t column, uint32_t *ret_table,
                      uint32_t *ret_number);
/* The command tag: "COMMIT", "INSERT 0 1". COMMIT of a failed transaction says "ROLLBACK". */
const char *pg_result_tag(const struct pg_result *result);
void pg_result_free(struct pg_result **result);

#endif
