/* state_team.h - those who fold at the same time, and the streams of a page shared among them.
 *
 * Used by the walk's thread, which is one of them; the others live for one page each. */
#ifndef SKEIN_AGENT_RUN_STATE_TEAM_H
#define SKEIN_AGENT_RUN_STATE_TEAM_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/run/state_fold.h"

struct state_team {
    const struct runner_call *call;
    struct state_program program;
    struct state_folder folders[STATE_WORKERS_MAX];
    size_t count;
    atomic_bool stop; /* somebody has failed, or it was cancelled: nobody begins anything more */
};

/* At most `workers` of them, and only the first in a rehearsal. One is enough: where the server has
 * no connections left for the others it goes on without. False: the report says why there is not
 * even one. */
MUST_CHECK bool state_team_open(struct state_team *team, const struct runner_call *call,
                                const struct state_sql *sql, size_t workers, bool rehearses,
                                struct runner_report *report);
void state_team_close(struct state_team *team);

/* Folds the streams; *ret_done of them, at least one, from the first on, have their results, which
 * live until the next call. False: the report says why. */
MUST_CHECK bool state_team_fold(struct state_team *team, const char *const *streams, size_t count,
                                struct state_result *ret_results, size_t *ret_done,
                                struct runner_report *report);

#endif
