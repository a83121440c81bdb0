/* task_make.h - a tenant that is made, or dropped, in more than one transaction.
 *
 * Blocks; used by a worker's thread. That is a database, a copy of another tenant, and a schema by
 * scripts that do not fit one transaction. The journal has the tenant as being made (skein.making)
 * before anything of it is there, and until it is whole nobody takes it for a tenant. In between it
 * is filled as any tenant is migrated, by task_run. What if it dies? Another try of the same
 * rollout finds it half made and goes on; one of another rollout, or the settling of this one,
 * removes it first. */
#ifndef SKEIN_AGENT_RUN_TASK_MAKE_H
#define SKEIN_AGENT_RUN_TASK_MAKE_H

#include <stdbool.h>

#include "agent/run/task_run.h"

/* Whether the task is one of these; all others are for task_run alone. */
bool task_make_is(const struct executor_options *options, const struct executor_task *task);
/* What it came to; the result lives in the task's arena. */
void task_make_run(struct task_context *context, const struct executor_turn *turn,
                   struct task_result **ret_result);

#endif
