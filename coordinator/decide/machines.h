/* machines.h - every state machine of the decisions, to be checked at start-up and printed.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_MACHINES_H
#define SKEIN_COORDINATOR_DECIDE_MACHINES_H

#include "common/core/fsm.h"

/* leader, session, rollout, task. */
const struct fsm *const *fleet_machines(size_t *ret_count);

/* ERR_INTERNAL names the machine and the row. */
MUST_CHECK bool fleet_check_machines(struct error *err);

#endif
