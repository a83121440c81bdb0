/* task_clean.h - a session as it was before a tenant's task, for the next one.
 *
 * Blocks; used by a worker's thread. */
#ifndef SKEIN_AGENT_RUN_TASK_CLEAN_H
#define SKEIN_AGENT_RUN_TASK_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/base.h"
#include "common/pg/pg_batch.h"
#include "common/pg/pg_conn.h"

/* The statements, for a batch that ends with them. */
size_t task_clean_count(void);
const char *task_clean_sql(size_t index);

/* Ends what is open and gives the session back as it was, its advisory locks included. False: the
 * connection is of no more use. */
bool task_clean_run(struct pg_conn *conn, struct pg_batch *batch);

#endif
