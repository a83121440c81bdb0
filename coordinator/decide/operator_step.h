/* operator_step.h - what operators ask for: publish, lock, forget. Rollouts: operator_rollout.h.
 *
 * Pure. Every request is answered once, when what it changed is durable. */
#ifndef SKEIN_COORDINATOR_DECIDE_OPERATOR_STEP_H
#define SKEIN_COORDINATOR_DECIDE_OPERATOR_STEP_H

#include "coordinator/decide/fleet_state.h"

/* Takes request->set over where it is accepted, and sets it to NULL. */
void operator_step(struct step *step, struct operator_request *request);

#endif
