/* state_undo.h - takes back what an operation of the kind state has written.
 *
 * Used by the walk's thread. All that has the new prefix goes: registry entries get their old
 * identity, then snapshots are removed. In transactions of a page each, as often as there is
 * something left, so that doing it again after a crash ends it. */
#ifndef SKEIN_AGENT_RUN_STATE_UNDO_H
#define SKEIN_AGENT_RUN_STATE_UNDO_H

#include <stdbool.h>

#include "agent/run/runner.h"
#include "agent/run/state_sql.h"

MUST_CHECK bool state_undo(const struct runner_call *call, const struct state_sql *sql,
                           struct runner_report *report);
/* The first page of each, in the dry run's transaction, or in one that is rolled back. */
MUST_CHECK bool state_undo_rehearse(const struct runner_call *call, const struct state_sql *sql,
                                    struct runner_report *report);

#endif
