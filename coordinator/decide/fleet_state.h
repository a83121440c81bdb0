/* fleet_state.h - what the leader knows, as the modules of decide/ share it, and one step on it.
 *
 * Pure. Each part belongs to the module that is named beside it; others only read it. */
#ifndef SKEIN_COORDINATOR_DECIDE_FLEET_STATE_H
#define SKEIN_COORDINATOR_DECIDE_FLEET_STATE_H

#include <uthash.h>

#include "coordinator/decide/audit.h"
#include "coordinator/decide/effects.h"
#include "coordinator/decide/event.h"
#include "coordinator/decide/fleet.h"
#include "coordinator/decide/set_shelf.h"

struct agent_link;
struct history_call;
struct lock;
struct lock_waiter;
struct rollout;
struct shard;
struct window;

/* Something that was asked for and comes back in an event with this id. */
enum waiting_kind {
    WAITING_GRANT,
    WAITING_SESSION,
    WAITING_WINDOW,
    WAITING_HOLD,
    WAITING_PHASE,
};

/* Of a rollout's state, what may be told only when it is durable. */
struct told_phase {
    enum rollout_phase phase, resume_phase;
    int64_t finished_at_ms;
};

struct waiting {
    uint64_t id;
    enum waiting_kind kind;
    struct shard *shard;
    int64_t lease_id;      /* WAITING_SESSION */
    struct window *window; /* WAITING_WINDOW: owned */
    uint64_t call;         /* WAITING_HOLD */
    uint64_t rollout;      /* WAITING_PHASE: its number */
    struct told_phase told;
    UT_hash_handle hh;
};

struct fleet {
    bool leading;
    uint64_t term;
    uint64_t next_tick_ms;
    int64_t wall_ahead_ms; /* of the monotonic clock: turns our times into those of people */
    uint64_t next_id;      /* of tickets and requests */
    /* One sequence for all shards and leaderships: an agent may tell the newest number that it has
     * answered to whoever asks next. */
    uint64_t newest_refresh;

    uint64_t token_base; /* token.h */
    uint64_t newest_revision;

    struct shard **shards; /* registry.h: sorted by name */
    size_t shard_count, shard_capacity;
    uint64_t tenant_count; /* that exist now */

    struct agent_link *links; /* session.h: by stream */
    struct shard *by_lease;   /* session.h: shards with a living lease */
    struct waiting *waiting;

    struct lock **holds; /* lock_table.h: operators' holds, to be looked at for their end */
    size_t hold_count, hold_capacity;
    uint64_t rollout_lock_count;
    struct lock_waiter *lock_waiters; /* lock_wait.h: oldest first */
    size_t lock_waiter_count;

    struct rollout **rollouts; /* rollout.h: oldest first */
    size_t rollout_count, rollout_capacity;
    struct rollout *rollouts_by_id;
    size_t parts_busy; /* of all rollouts: they share out what may be in flight */

    struct set_shelf sets;
    struct audit audit;
    struct history_call *history; /* history.h */
    size_t history_count;

    uint64_t tasks_in_flight[TASK_MODE_COUNT];
    uint64_t task_results[TASK_MODE_COUNT][TASK_OUTCOME_COUNT];
    uint64_t results_stale; /* answers that were too late to count */
};

/* One event being decided. */
struct step {
    struct fleet *fleet;
    struct effects *effects;
    uint64_t now_ms;
    int64_t wall_ms;
};

/* The new entry's id is unique in this leadership. */
struct waiting *fleet_wait(struct step *step, enum waiting_kind kind, struct shard *shard);
/* Removes the entry and gives it to the caller, who frees it; NULL if nobody waits for this. */
struct waiting *fleet_take_waiting(struct fleet *fleet, uint64_t id, enum waiting_kind kind);

#endif
