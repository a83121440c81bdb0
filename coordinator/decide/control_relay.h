/* control_relay.h - carries operations of the scope control from the agent whose task they are part
 * of to the agent next to the control database, and the answers back.
 *
 * Pure, and keeps nothing. Whatever is lost on the way (a message, an agent, the leader with its
 * term) is asked for again by the agent whose task it is, and the journal of the control database
 * knows what was done already. */
#ifndef SKEIN_COORDINATOR_DECIDE_CONTROL_RELAY_H
#define SKEIN_COORDINATOR_DECIDE_CONTROL_RELAY_H

#include "coordinator/decide/session.h"

/* Passed on only for a task that is under way under this very token; what is run is taken from the
 * rollout, not from the agent. Else answered with FENCED, or with AGENT_LOST while no agent works
 * next to the control database (to be asked again). */
void control_relay_on_call(struct step *step, const struct agent_link *link,
                           const struct control_call *call);
void control_relay_on_done(struct step *step, const struct agent_link *link,
                           const struct control_done *done);

#endif
