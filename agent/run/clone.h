/* clone.h - the dry run of a plan on an empty copy of a tenant, in a database made for it.
 *
 * Blocks; used by a worker's thread. The copy is what pg_dump says of the tenant's structure; it
 * has to have the tenant's fingerprint. There everything is run for real, also what cannot run in a
 * transaction, and each statement is looked at: what it rewrites or reads whole while a lock keeps
 * writers out is told with the size of the tenant's own table, by the catalog. Of the live tables
 * nothing is locked but as pg_dump does (ACCESS SHARE, waited for no longer than a lock of the
 * task). The copy reaches no other server: it has no user mappings. Programs, plugins, batches and
 * the control database's operations are passed over, and named. */
#ifndef SKEIN_AGENT_RUN_CLONE_H
#define SKEIN_AGENT_RUN_CLONE_H

#include "agent/run/clone_trial.h"
#include "agent/run/task_run.h"
#include "common/model/plan.h"
#include "common/pg/pg_conn.h"

enum { CLONE_PREFIX_BYTES = 32 };

/* The context's link is open to the tenant's database. Fills the result. */
void clone_try(struct task_context *context, struct executor_task *task, const struct plan *plan,
               struct task_result *result);

/* The same for who only wants to know before a dry run on the tenant itself: the report says what
 * was found. No statement on the copy takes longer than COPY_STATEMENT_MAX_MS. `result` is good for
 * its error and its warnings. */
void clone_learn(struct task_context *context, struct executor_task *task, const struct plan *plan,
                 struct task_result *result, struct clone_report *ret_report);

/* How the names of a shard's copies begin: no other shard's agent touches them. */
const char *clone_prefix(const char *shard, char ret_prefix[CLONE_PREFIX_BYTES]);
/* Drops copies that an agent of this shard has left behind; *ret_left: some are in use. `conn`
 * leads to any other database. */
MUST_CHECK bool clone_sweep(struct pg_conn *conn, const char *shard, bool *ret_left,
                            struct error *err);

#endif
