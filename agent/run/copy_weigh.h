/* copy_weigh.h - what a trial on an empty copy has shown, held against how large a tenant is.
 *
 * Blocks; used by a worker's thread. Only what lint did not foresee of a statement and a relation:
 * the rest the size guard has weighed already (task_sizes), and what its author has allowed is not
 * weighed. */
#ifndef SKEIN_AGENT_RUN_COPY_WEIGH_H
#define SKEIN_AGENT_RUN_COPY_WEIGH_H

#include "agent/run/clone_trial.h"
#include "agent/run/task_run.h"

struct copy_weigh_call {
    struct task_context *context; /* its link leads to the tenant */
    struct executor_task *task;
    const struct clone_finding *findings; /* those of one statement beside each other */
    size_t count;
    struct task_error *warnings; /* SIZE_WARNINGS_MAX */
    size_t *warning_count;
};

/* False: the result says what is too large (LINT): more than the size limit, or longer than the
 * lock budget; or that a table could not be looked at (LOCK_TIMEOUT). Looking takes ACCESS SHARE on
 * it for a moment. */
MUST_CHECK bool copy_weigh(const struct copy_weigh_call *call, struct task_result *result);

#endif
