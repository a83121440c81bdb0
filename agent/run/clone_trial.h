/* clone_trial.h - a plan run for real on a copy, and what its statements would do to the tenant.
 *
 * Blocks; used by a worker's thread. */
#ifndef SKEIN_AGENT_RUN_CLONE_TRIAL_H
#define SKEIN_AGENT_RUN_CLONE_TRIAL_H

#include "agent/run/task_run.h"
#include "common/model/plan.h"
#include "common/pg/pg_conn.h"

struct clone_trial {
    struct task_context *context; /* its link leads to the tenant: sizes are asked there */
    struct executor_task *task;
    const struct plan *plan;
    const char *schema;   /* "": the tenant is a database */
    struct pg_conn *conn; /* to the copy */
    struct task_result *result;
};

/* The result gets a warning with the code LINT for each statement that works on a table of some
 * size while writers wait. False: the result says which statement failed. */
MUST_CHECK bool clone_trial_run(const struct clone_trial *trial);

/* One more warning. */
void clone_trial_warn(struct executor_task *task, const char *shard, struct task_result *result,
                      const char *words);

#endif
