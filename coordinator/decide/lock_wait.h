/* lock_wait.h - who waits until a tenant is free: the calls of people and programs, oldest first.
 *
 * Pure. They come before rollouts: a tenant that somebody waits for is not handed out. Nothing of
 * it is durable, since the calls end with their coordinator. */
#ifndef SKEIN_COORDINATOR_DECIDE_LOCK_WAIT_H
#define SKEIN_COORDINATOR_DECIDE_LOCK_WAIT_H

#include "coordinator/decide/fleet_state.h"

/* What is asked for, by LOCK or HOLD. */
struct lock_wish {
    uint64_t call;
    bool is_program; /* HOLD */
    const char *tenant;
    const char *owner;
    const char *actor;
    const char *reason;
    const char *id; /* "" unless is_program */
    uint64_t ttl_ms;
};

struct lock_waiter {
    struct arena arena; /* of the wish */
    struct lock_wish wish;
    uint64_t asked_ms;
    uint64_t until_ms;
    struct lock_waiter *prev, *next;
};

/* Copies the wish. ERR_LIMIT when too many wait. */
MUST_CHECK bool lock_wait_add(struct step *step, const struct lock_wish *wish, uint64_t wait_ms,
                              struct error *err);
void lock_wait_remove(struct fleet *fleet, struct lock_waiter *waiter);
/* NULL if this call does not wait. */
struct lock_waiter *lock_wait_find(const struct fleet *fleet, uint64_t call);
/* Whether anybody waits for this tenant. */
bool lock_wait_wants(const struct fleet *fleet, const struct shard *shard, const char *name);
void lock_wait_release(struct fleet *fleet);

#endif
