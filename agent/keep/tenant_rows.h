/* tenant_rows.h - the queries behind tenants.h: names, labels and versions out of PostgreSQL.
 *
 * Each function is one query. Rows are sorted by their first column, bytewise. */
#ifndef SKEIN_AGENT_KEEP_TENANT_ROWS_H
#define SKEIN_AGENT_KEEP_TENANT_ROWS_H

#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/message.h"
#include "common/pg/pg_conn.h"

/* name, has objects, set, version, rollout, fence: one row per schema and set. */
MUST_CHECK bool tenant_rows_of_schemas(struct pg_conn *conn, struct pg_result **ret_rows,
                                       struct error *err);
/* The same of the one tenant that a database is; installs the journal where it is missing. */
MUST_CHECK bool tenant_rows_of_database(struct pg_conn *conn, struct pg_result **ret_rows,
                                        struct error *err);
/* name: the databases that can be connected to. */
MUST_CHECK bool tenant_rows_databases(struct pg_conn *conn, struct pg_result **ret_rows,
                                      struct error *err);
/* name, label, value: what the user's query says; one row per label. */
MUST_CHECK bool tenant_rows_labels(struct pg_conn *conn, const char *query,
                                   struct pg_result **ret_rows, struct error *err);
/* The history of one tenant, newest first. */
MUST_CHECK bool tenant_rows_history(struct pg_conn *conn, const char *tenant, uint32_t limit,
                                    struct arena *arena, struct history_reply *ret_reply,
                                    struct error *err);

/* Labels of the tenant's own: all of them as the request wants them, or none. */
MUST_CHECK bool tenant_rows_label(struct pg_conn *conn, const struct history_request *request,
                                  struct error *err);

/* The tenant of row *index, copied to `arena`; *index moves to the next tenant's first row. */
void tenant_rows_take(const struct pg_result *rows, size_t *index, struct arena *arena,
                      struct tenant_info *ret_tenant);
/* The labels of `name` from the rows of tenant_rows_labels; *index only moves on, so names must be
 * asked for in order. False: the query did not name it. */
bool tenant_rows_take_labels(const struct pg_result *rows, size_t *index, const char *name,
                             struct arena *arena, struct labels *ret_labels);

#endif
