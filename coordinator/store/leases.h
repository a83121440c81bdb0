/* leases.h - agents' leases: asks the store and turns its answers into events.
 *
 * Owned by the brain thread. A revoke is repeated until the store says for certain that the lease
 * is gone; only then does EVENT_LEASE_ENDED come, because only then may another agent have its
 * locks. A keep-alive that fails is no end: the agent's next heartbeat asks again. */
#ifndef SKEIN_COORDINATOR_STORE_LEASES_H
#define SKEIN_COORDINATOR_STORE_LEASES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/mailbox.h"
#include "common/store/store.h"
#include "coordinator/decide/event.h"

struct leases;

struct leases *leases_new(struct store *store, struct mailbox *inbox);
void leases_free(struct leases **pointer);

void leases_grant(struct leases *leases, uint64_t request, uint64_t ttl_ms);
void leases_keep_alive(struct leases *leases, int64_t lease_id);
void leases_revoke(struct leases *leases, int64_t lease_id);
/* Asks again for revokes that were not answered. */
void leases_on_tick(struct leases *leases, uint64_t now_ms);
/* LEASE_GRANTED, LEASE_KEPT, LEASE_ENDED as they come from the mailbox: true if the decisions
 * should see the event (not an answer for an earlier leadership, not a failed revoke). */
bool leases_take_answer(struct leases *leases, const struct event *event);
/* Leadership is over: answers that are still to come are ignored. */
void leases_forget(struct leases *leases);

#endif
