/* task_tables.h - before a task's first statement: whether old transactions hold locks that are in
 * the way of those that its plan will take.
 *
 * Used by the worker's thread. A try there may well be in vain: then it is a short one, just long
 * enough for the watcher to see who is in the way; the last one has its full time. */
#ifndef SKEIN_AGENT_RUN_TASK_TABLES_H
#define SKEIN_AGENT_RUN_TASK_TABLES_H

#include "agent/run/executor.h"
#include "agent/run/task_run.h"
#include "common/model/plan.h"

/* Sets the try's lock_timeout. No transaction is open. Asks the server only where the watcher has
 * seen such a transaction in the tenant's schema (or database), or in another one that the plan
 * locks a table of: one round trip then. Where lint cannot see into the plan, or the server does
 * not answer, such a transaction is taken to be in the way. `plan` NULL: of a rollback. */
void task_tables_look(struct task_context *context, struct executor_task *task,
                      const struct plan *plan);

#endif
