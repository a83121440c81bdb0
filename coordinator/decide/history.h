/* history.h - operators that wait for what only an agent can read: a tenant's history, schemas.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_HISTORY_H
#define SKEIN_COORDINATOR_DECIDE_HISTORY_H

#include "coordinator/decide/fleet_state.h"

/* The answer comes as EFFECT_REPLY to request->call, now or later. */
void history_ask(struct step *step, const struct operator_request *request);
/* The agent writes a tenant's labels; it is noted as an event. */
void history_ask_label(struct step *step, const struct operator_request *request);
void history_on_reply(struct step *step, uint64_t stream, const struct history_reply *reply);
/* The schemas of some tenants of one shard, in the same way. */
void history_ask_schemas(struct step *step, const struct operator_request *request);
void history_on_schemas(struct step *step, uint64_t stream, const struct schema_reply *reply);
void history_on_closed(struct step *step, uint64_t stream);
void history_on_tick(struct step *step);
void history_release(struct fleet *fleet);

#endif
