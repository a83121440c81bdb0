/* runners.h - which runner performs an operation.
 *
 * Pure; the table is constant. */
#ifndef SKEIN_AGENT_RUN_RUNNERS_H
#define SKEIN_AGENT_RUN_RUNNERS_H

#include "agent/run/runner.h"

/* By kind; OPERATION_SQL is the one for scripts outside a transaction. NULL: not yet. */
struct runner_table {
    const struct runner *items[OPERATION_KIND_COUNT];
    const struct runner *control; /* of the scope control, whatever the kind */
};

/* What this agent can run. */
const struct runner_table *runners_all(void);
/* For the operation's file, or its `.down`; NULL where none of `table` runs it. */
const struct runner *runners_find(const struct runner_table *table,
                                  const struct operation *operation, bool down);

#endif
