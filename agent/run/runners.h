/* runners.h - which runner performs an operation.
 *
 * Pure; the table is constant. */
#ifndef SKEIN_AGENT_RUN_RUNNERS_H
#define SKEIN_AGENT_RUN_RUNNERS_H

#include "agent/run/runner.h"

/* By kind; OPERATION_SQL is the one for scripts outside a transaction. NULL: not yet. */
struct runner_table {
    const struct runner *items[OPERATION_KIND_COUNT];
};

/* What this agent can run. */
const struct runner_table *runners_all(void);
/* NULL where none of `table` runs that kind. */
const struct runner *runners_find(const struct runner_table *table, enum operation_kind kind);

#endif
