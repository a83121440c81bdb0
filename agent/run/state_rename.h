/* state_rename.h - gives streams their new identity in the registry.
 *
 * Used by the walk's thread, behind the commit of their snapshots. What fails here is a warning: it
 * takes nothing back. Doing it once more does no harm. */
#ifndef SKEIN_AGENT_RUN_STATE_RENAME_H
#define SKEIN_AGENT_RUN_STATE_RENAME_H

#include "agent/run/state_write.h"

/* The position's pending streams; afterwards there are none, and what failed is noted. False only
 * where the walk cannot go on. */
MUST_CHECK bool state_rename(struct state_writer *writer, struct arena *arena,
                             struct state_position *position, struct runner_report *report);

#endif
