/* task_life.h - tasks that make or drop a tenant: what is checked before they begin.
 *
 * Used by a worker's thread. Everything else is a task like any other (task_batch): a schema is
 * made in the transaction that fills it, so there is nothing to take back. */
#ifndef SKEIN_AGENT_RUN_TASK_LIFE_H
#define SKEIN_AGENT_RUN_TASK_LIFE_H

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "common/pg/pg_conn.h"

/* Without a database: whether this agent can do it. ERR_REFUSED says why not. */
MUST_CHECK bool task_life_check(const struct executor_options *options,
                                const struct executor_task *task, struct error *err);
/* Whether the new tenant would be one of this agent's. */
MUST_CHECK bool task_life_accept(const struct executor_options *options, struct pg_conn *conn,
                                 const struct executor_task *task, struct error *err);

/* The new tenant's row in the registry, before anything else is made. `ret_added`: it had none. */
MUST_CHECK bool task_life_register(const struct executor_options *options,
                                   const struct executor_task *task, bool *ret_added,
                                   struct error *err);
/* Nothing came of it: the row goes again. Says in the result if it does not. */
void task_life_unregister(const struct executor_options *options, struct executor_task *task,
                          struct task_result *result);

#endif
