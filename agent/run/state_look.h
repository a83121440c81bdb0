/* state_look.h - whether an operation of the kind state can work on a tenant, before it begins.
 *
 * Used by the walk's thread, in the dry run's transaction or outside of any. */
#ifndef SKEIN_AGENT_RUN_STATE_LOOK_H
#define SKEIN_AGENT_RUN_STATE_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/run/runner.h"
#include "agent/run/state_link.h"
#include "agent/run/state_sql.h"

/* The connections that only look: to where the streams are found, and where the events, snapshots
 * and registry entries are. */
struct state_view {
    struct state_link find, events, snapshots, registry;
};

MUST_CHECK bool state_view_open(struct state_view *view, const struct runner_call *call,
                                const struct state_sql *sql, struct runner_report *report);
void state_view_close(struct state_view *view);

/* Tables, columns and functions are there, and a snapshot is unique: *ret_by_stream as
 * state_sql_insert has it. Warns of what will be slow. */
MUST_CHECK bool state_look(const struct state_view *view, const struct runner_call *call,
                           const struct state_sql *sql, bool *ret_by_stream,
                           struct runner_report *report);

/* Nothing has the new identity yet, so that what does can be taken back. */
MUST_CHECK bool state_look_untouched(const struct state_view *view, const struct runner_call *call,
                                     const struct state_sql *sql, struct runner_report *report);

/* How many streams there are. */
MUST_CHECK bool state_look_count(const struct state_view *view, const struct runner_call *call,
                                 const struct state_sql *sql, uint64_t *ret_count,
                                 struct runner_report *report);

/* Those behind `after`, at most `most`, in the arena; with a kind, those of another are left NULL
 * in ret_wanted. *ret_count 0: there are none. */
MUST_CHECK bool state_look_page(const struct state_view *view, const struct runner_call *call,
                                const struct state_sql *sql, const char *after, size_t most,
                                struct arena *arena, const char ***ret_streams, bool **ret_wanted,
                                size_t *ret_count, struct runner_report *report);

#endif
