/* trace_scratch.h - a database that is made to be thrown away.
 *
 * Used by one thread. Its name is skein_trace_ and random letters (or another prefix and those), so
 * that nothing that anybody needs is ever touched. It is dropped when the scratch is freed; a
 * process that is killed leaves it behind: trace_scratch_left_over names such ones, and
 * trace_scratch_sweep drops them. One that somebody still uses is known by an advisory lock of its
 * maker's session, from before it is made until it is dropped. */
#ifndef SKEIN_COMMON_TRACE_TRACE_SCRATCH_H
#define SKEIN_COMMON_TRACE_TRACE_SCRATCH_H

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/pg/pg_conn.h"
#include "common/sql/sql_script.h"

struct trace_scratch;

/* Makes it on the server of `conninfo`, whose own database is only connected to. */
MUST_CHECK bool trace_scratch_open(const char *conninfo, struct trace_scratch **ret_scratch,
                                   struct error *err);
/* The same with a prefix of the caller's (letters and _), and a comment on it for people. */
MUST_CHECK bool trace_scratch_open_as(const char *conninfo, const char *prefix, const char *comment,
                                      struct trace_scratch **ret_scratch, struct error *err);
struct pg_conn *trace_scratch_conn(struct trace_scratch *scratch);

/* What was there before: SQL as pg_dump writes it. Owners, grants and roles that this server does
 * not have are passed over; anything else that fails is an error with its line. Unqualified names
 * then mean `schema` ("" for PostgreSQL's default). */
MUST_CHECK bool trace_scratch_load(struct trace_scratch *scratch, struct sql_parser *parser,
                                   struct bytes text, const char *schema, struct error *err);

const char *trace_scratch_name(const struct trace_scratch *scratch);

/* Earlier ones that nobody uses, separated by blanks; "" for none. */
const char *trace_scratch_left_over(struct trace_scratch *scratch, struct arena *arena);

/* Drops those of the prefix that nobody uses; *ret_left: others are still there. `conn`
 * leads to any other database. */
MUST_CHECK bool trace_scratch_sweep(struct pg_conn *conn, const char *prefix, bool *ret_left,
                                    struct error *err);

/* Drops the database. False: it is still there; the message has its name. */
MUST_CHECK bool trace_scratch_drop(struct trace_scratch *scratch, struct error *err);

/* Drops it if that was not done. */
void trace_scratch_free(struct trace_scratch **scratch);

#endif
