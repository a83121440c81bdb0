/* task_sizes.h - the size guard of a dry run: what it would rewrite, or read whole while others
 * wait, is weighed before any of it is done.
 *
 * Used by the worker's thread. Reads only: done twice, it says the same. Outside of a transaction
 * runs nothing of a dry run, so for that this is the only look. */
#ifndef SKEIN_AGENT_RUN_TASK_SIZES_H
#define SKEIN_AGENT_RUN_TASK_SIZES_H

#include "agent/run/executor_task.h"
#include "agent/run/task_run.h"
#include "agent/run/task_undo.h"
#include "common/model/plan.h"

struct task_sizes {
    bool looked; /* this has been done; else a broken connection is for the try itself to find */
    bool found;  /* work on something that is not small */
    struct task_error warnings[SIZE_WARNINGS_MAX];
    size_t warning_count;
    size_t more; /* warnings that found no room */
};

/* From which size on: what the rollout says; else the agent's limit, or the set's own size_error
 * where that is lower. 0: it is not looked at. */
uint64_t task_sizes_limit(const struct executor_options *options, const struct executor_task *task);

/* Before the first statement of a dry run. False: the result says what is too large (LINT), or why
 * the tables could not be looked at (a lock on one of them that is not given up: LOCK_TIMEOUT). */
MUST_CHECK bool task_sizes_look(struct task_sizes *sizes, struct task_context *context,
                                struct executor_task *task, const struct plan *plan,
                                struct task_result *result);

/* The same before the dry run of a rollback, whose `.down` files are weighed: what is too large is
 * a warning, for to stay where it is may be worse. What cannot be looked at is passed over. */
void task_sizes_look_back(struct task_sizes *sizes, struct task_context *context,
                          struct executor_task *task, const struct task_undo *undo);

/* Adds what was found to the result's warnings. */
void task_sizes_warn(const struct task_sizes *sizes, struct executor_task *task,
                     struct task_result *result);

#endif
