/* fingerprint.h - what a tenant's schema is, as one number or as lines that people can compare.
 *
 * Used by the thread that owns the connection. Two tenants with the same tables, columns, types,
 * constraints, indexes, functions, triggers, rules and policies have the same fingerprint: OIDs,
 * the order of columns and of creation, the schema's own name, owners, grants, comments and data do
 * not count, and a tenant that is a database, with all in its schema `public`, may be like one that
 * is a schema. One round trip, inside the open transaction if there is one, whose settings are put
 * back; it waits no longer than FINGERPRINT_LOCK_MS for somebody who changes the schema. */
#ifndef SKEIN_AGENT_KEEP_FINGERPRINT_H
#define SKEIN_AGENT_KEEP_FINGERPRINT_H

#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/pg/pg_conn.h"

/* `schema` "" is the whole database: a tenant that is one. ERR_NOT_FOUND where there is no such
 * schema; otherwise as pg_query. */
MUST_CHECK bool fingerprint_read(struct pg_conn *conn, const char *schema,
                                 char ret_digest[FINGERPRINT_BYTES], struct error *err);

/* The same for a pipeline of somebody else's, in an open transaction: three statements in this
 * order. The first has FINGERPRINT_SETTINGS parameters, the schema and the lock_timeout as text;
 * the second has the schema, and answers one row with the digest, or none. */
enum { FINGERPRINT_SETTINGS = 2 };
struct fingerprint_words {
    const char *prepare;
    const char *ask;
    const char *restore;
    char lock_timeout[32];
};
void fingerprint_words_make(struct arena *arena, struct fingerprint_words *ret_words);

/* What the digest is made of, sorted, a line for each object ("column accounts.id bigint not
 * null"), cut at FINGERPRINT_LINE_BYTES_MAX. ERR_LIMIT for more than FINGERPRINT_LINES_MAX. */
MUST_CHECK bool fingerprint_read_lines(struct pg_conn *conn, const char *schema,
                                       struct arena *arena, const char *const **ret_lines,
                                       size_t *ret_count, struct error *err);

#endif
