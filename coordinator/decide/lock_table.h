/* lock_table.h - which tenants are locked, by whom: the store's locks as the leader knows them.
 *
 * Pure. Locks live in their shard's table, by the tenant's name. A rollout's lock is bound to the
 * session's lease and vanishes with it. A hold is bound to none: an operator's ends after its time,
 * a program's with the stream of the call that took it (operator_lock.h). */
#ifndef SKEIN_COORDINATOR_DECIDE_LOCK_TABLE_H
#define SKEIN_COORDINATOR_DECIDE_LOCK_TABLE_H

#include "coordinator/decide/fleet_state.h"

struct tenant_task;

struct lock {
    struct lock_record record; /* texts owned */
    const char *name;          /* the tenant without its shard */
    struct shard *shard;
    struct rollout *rollout;  /* NULL for a hold, or when the rollout is not known any more */
    struct tenant_task *task; /* NULL for a hold, and for a loaded lock until its task is planned */
    uint64_t token;
    enum task_mode mode; /* with `adopted` */
    bool adopted;        /* loaded, and the agent goes on with the task */
    uint64_t until_ms;   /* an operator's hold: the end of its time, by a clock that nobody sets */
    /* A program's hold: */
    uint64_t call; /* whose stream keeps it; 0: none, it may come back until grace_until_ms */
    bool stored;   /* durable, so that its program may be told */
    uint64_t beat_due_ms; /* when its program is told again that it holds the tenant */
    uint64_t grace_until_ms;
    UT_hash_handle hh;
};

/* `record.tenant` is of this shard and not locked yet. Writes nothing. */
struct lock *lock_table_add(struct step *step, struct shard *shard,
                            const struct lock_record *record);
struct lock *lock_table_find(const struct shard *shard, const char *name);
bool lock_table_is_hold(const struct lock *lock);
bool lock_table_is_program(const struct lock *lock);
/* Forgets it; the store has lost it by itself. */
void lock_table_drop(struct fleet *fleet, struct lock *lock);
/* Deletes it in the store and forgets it. */
void lock_table_release(struct step *step, struct lock *lock);
void lock_table_drop_shard(struct fleet *fleet, struct shard *shard);
/* Whether a lock is bound to this lease. */
bool lock_table_has_lease(const struct shard *shard, int64_t lease_id);

#endif
