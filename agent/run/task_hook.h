/* task_hook.h - hooks of a tenant inside its task's transaction.
 *
 * Private to task_batch.c and task_piece.c; on the worker's thread. In the transaction, and in the
 * same round trip, as the scripts: so a hook has taken effect exactly where they have. */
#ifndef SKEIN_AGENT_RUN_TASK_HOOK_H
#define SKEIN_AGENT_RUN_TASK_HOOK_H

#include <stdbool.h>

#include "agent/run/task_piece.h"

/* Whether the whole-plan task has scripts to run, so that the constraints are to be looked at. */
bool task_hook_has_work(const struct task_batch *b);

/* The hook's statements, if the set has it and the task, one of the whole plan, takes the tenant
 * anywhere: a baseline does not, nor do repeatable scripts of which none has changed. */
void task_hook_add(struct task_batch *b, enum set_hook hook);

/* Before the statements of an operation that is a hook: settings tell it what it is about. */
void task_hook_tell(struct task_batch *b, const struct operation *operation);

#endif
