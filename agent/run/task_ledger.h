/* task_ledger.h - what a task says to the history table of another tool.
 *
 * Used by a worker's thread. A baseline reads the table of the tool that it was told; a task whose
 * set keeps a ledger writes it, in the transaction of its scripts: either both know of a script, or
 * neither does. */
#ifndef SKEIN_AGENT_RUN_TASK_LEDGER_H
#define SKEIN_AGENT_RUN_TASK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/run/task_batch.h"

/* Takes one statement; it and the parameters live in the arena that was given. */
typedef void task_ledger_add(void *context, enum task_step step, const char *sql,
                             const char *const *parameters, size_t parameter_count);

/* Whether the task's version is what another tool's table tells. */
bool task_ledger_reads(const struct executor_task *task);
/* One query, whose rows ledger_found reads. */
void task_ledger_read(const struct executor_task *task, struct arena *arena, task_ledger_add *add,
                      void *context);

/* In front of the scripts of `count` migrations of the set, from `first` on: nothing where the set
 * keeps no ledger. `fresh`: the tenant begins from nothing, so the table may have to be made. */
void task_ledger_check(const struct executor_task *task, size_t first, size_t count, bool fresh,
                       struct arena *arena, task_ledger_add *add, void *context);
/* Behind them: they are applied. */
void task_ledger_write(const struct executor_task *task, size_t first, size_t count,
                       struct arena *arena, task_ledger_add *add, void *context);
/* Behind their rollbacks: they are not applied any more. */
void task_ledger_undo(const struct executor_task *task, size_t first, size_t count,
                      struct arena *arena, task_ledger_add *add, void *context);

#endif
