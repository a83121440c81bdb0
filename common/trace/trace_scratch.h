/* trace_scratch.h - a database that is made to be thrown away.
 *
 * Used by one thread. Its name is skein_trace_ and random letters, so that nothing that anybody
 * needs is ever touched. It is dropped when the scratch is freed; a process that is killed leaves
 * it behind, and trace_scratch_left_over names such ones. */
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
struct pg_conn *trace_scratch_conn(struct trace_scratch *scratch);

/* What was there before: SQL as pg_dump writes it. Owners, grants and roles that this server does
 * not have are passed over; anything else that fails is an error with its line. Unqualified names
 * then mean `schema` ("" for PostgreSQL's default). */
MUST_CHECK bool trace_scratch_load(struct trace_scratch *scratch, struct sql_parser *parser,
                                   struct bytes text, const char *schema, struct error *err);

const char *trace_scratch_name(const struct trace_scratch *scratch);

/* Earlier ones that nobody is connected to, separated by blanks; "" for none. */
const char *trace_scratch_left_over(struct trace_scratch *scratch, struct arena *arena);

/* Drops the database. False: it is still there; the message has its name. */
MUST_CHECK bool trace_scratch_drop(struct trace_scratch *scratch, struct error *err);

/* Drops it if that was not done. */
void trace_scratch_free(struct trace_scratch **scratch);

#endif
