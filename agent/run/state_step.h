/* state_step.h - transactions that write for streams: the tenant's, and those of other databases.
 *
 * Used by the walk's thread. Constraints are looked at with each statement, so that an error can be
 * told from the stream that it belongs to. */
#ifndef SKEIN_AGENT_RUN_STATE_STEP_H
#define SKEIN_AGENT_RUN_STATE_STEP_H

#include <stdbool.h>

#include "agent/run/runner.h"
#include "agent/run/state_link.h"
#include "common/model/state_position.h"

/* The tenant's, as runner_step.h has it. */
MUST_CHECK bool state_step_begin(const struct runner_call *call, struct runner_report *report);
/* With the position, unless it is NULL. */
MUST_CHECK bool state_step_commit(const struct runner_call *call,
                                  const struct state_position *position,
                                  struct runner_report *report);
/* After a failure of either, or between them: nothing of it stays. Returns false, as that did. */
bool state_step_abort(const struct runner_call *call, struct runner_report *report);

/* Another database's. It knows no fence: only an agent whose lease holds begins one, and what is
 * written there is such that a late repetition does no harm. */
MUST_CHECK bool state_step_open(const struct runner_call *call, const struct state_link *link,
                                struct runner_report *report);
/* COMMIT, or ROLLBACK. */
MUST_CHECK bool state_step_close(const struct runner_call *call, const struct state_link *link,
                                 bool commit, struct runner_report *report);
void state_step_leave(const struct state_link *link); /* after a failure */

enum state_tried {
    STATE_TRIED,
    STATE_TRIED_REFUSED, /* the transaction is as it was before; `ret_error` says why */
    STATE_TRIED_BROKEN,  /* the transaction is of no more use; the report says why */
};

/* In a transaction that is open, of the link's connection or of the tenant's: all of the statement
 * or nothing of it. */
enum state_tried state_step_try(const struct runner_call *call, const struct state_link *link,
                                const char *sql, const char *const *parameters, size_t count,
                                struct pg_error *ret_error, struct runner_report *report);

#endif
