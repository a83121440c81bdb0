/* sim_store.h - what the store holds, in memory: the durable half of effects, and what a new leader
 * loads.
 *
 * Pure. */
#ifndef SKEIN_TESTS_SIM_SIM_STORE_H
#define SKEIN_TESTS_SIM_SIM_STORE_H

#include "coordinator/decide/effects.h"
#include "coordinator/decide/event.h"

struct sim_record;

struct sim_store {
    uint64_t revision;
    struct sim_record *records; /* uthash by key */
};

void sim_store_release(struct sim_store *store);
/* Applies the writes in one transaction; its revision is store->revision afterwards. Writes that
 * are bound to a lease for which `is_dead` holds are left out. */
void sim_store_apply(struct sim_store *store, const struct effect *const *writes, size_t count,
                     bool (*is_dead)(void *user, int64_t lease_id), void *user);
/* The lease is gone, and its keys with it. */
void sim_store_drop_lease(struct sim_store *store, int64_t lease_id);
size_t sim_store_count(const struct sim_store *store, enum record_kind kind);
/* NULL if there is none. `id` and `key` as in effects. */
const struct effect *sim_store_find(const struct sim_store *store, enum record_kind kind,
                                    const char *id, const char *key);
/* EVENT_LEADING with everything in it; the sets of sim_set. */
struct event *sim_store_load(const struct sim_store *store, uint64_t term);

#endif
