/* operator_lock.h - the locks of people and programs: taking them, waiting, keeping, ending.
 *
 * Pure. Such a lock (a hold) is durable before anybody is told. An operator's hold ends after its
 * time, whatever becomes of its operator. A program's ends with the stream of its call; only when
 * the coordinator itself dies or is deposed may the program come back, for HOLD_GRACE_MS after the
 * next leader has loaded the store, and attach to it by its id. */
#ifndef SKEIN_COORDINATOR_DECIDE_OPERATOR_LOCK_H
#define SKEIN_COORDINATOR_DECIDE_OPERATOR_LOCK_H

#include "coordinator/decide/fleet_state.h"

struct shard;

/* OPERATOR_LOCK and OPERATOR_HOLD: answers now or, if the request says so, when the tenant is free.
 * A HOLD that waits is told so, and by whom it is held, by an answer of its own. */
void operator_lock_take(struct step *step, const struct operator_request *request);
/* OPERATOR_UNLOCK. ERR_REFUSED for somebody else's hold without force, and for a rollout's lock in
 * any case: that one ends by itself, and ending it early would let two work on one tenant. */
MUST_CHECK bool operator_lock_unlock(struct step *step, const struct operator_request *request,
                                     struct error *err);
/* A call is over: it waits no more, and what it held is free. */
void operator_lock_on_closed(struct step *step, uint64_t call);
/* The hold of this call is durable: its program may be told from time to time. */
void operator_lock_on_stored(struct step *step, uint64_t call);
/* Ends the holds whose time is over. */
void operator_lock_on_tick(struct step *step);
/* Gives free tenants to those who wait for them; after every event. */
void operator_lock_serve(struct step *step);
/* The shard is about to be forgotten. */
void operator_lock_drop_shard(struct step *step, struct shard *shard);

#endif
