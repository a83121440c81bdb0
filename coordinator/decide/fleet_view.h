/* fleet_view.h - a read-only look at the fleet, for answers to operators, metrics and tests.
 *
 * Pure. Called on the brain thread between steps; everything given back borrows from the fleet and
 * is valid until the next fleet_step. */
#ifndef SKEIN_COORDINATOR_DECIDE_FLEET_VIEW_H
#define SKEIN_COORDINATOR_DECIDE_FLEET_VIEW_H

#include "common/core/limits.h"
#include "common/model/selector.h"
#include "common/model/set.h"
#include "coordinator/decide/fleet.h"

enum { WAITING_FOR_BYTES = 1024 };

/* ---- rollouts: index 0 is the newest ---- */
struct locked_view {
    const struct lock_record *lock;
    int64_t skip_at_ms; /* wall time; 0: the tenant is not skipped (another rollout works on it) */
};
struct progress_view {
    const char *shard;
    const struct task_progress *task;
};
struct rollout_view {
    const struct rollout_spec *spec;
    struct rollout_state state; /* the phase that is durable, with the counts of this moment */
    char waiting_for[WAITING_FOR_BYTES];    /* as in operator.proto */
    const struct task_error *const *errors; /* in the order in which they came */
    size_t error_count;
    const struct task_error *const *warnings;
    size_t warning_count;
    const struct shard_progress *shards;
    size_t shard_count;
    /* Tenants that it waits for since they are locked; the first of them. */
    struct locked_view locked[ROLLOUT_LOCKED_SHOWN_MAX];
    size_t locked_count;
    uint64_t locked_total;
    struct progress_view progress[PROGRESS_SHOWN_MAX]; /* operations that take long */
    size_t progress_count;
    double tasks_per_second;
    uint64_t left_min_ms, left_max_ms;
    const struct rollout_measures *measures;   /* of its dry runs; NULL: nothing was measured */
    uint64_t estimate_min_ms, estimate_max_ms; /* of the real run, by that */
    uint64_t change; /* grows with every change of this rollout: watchers compare it */
};
size_t fleet_rollout_count(const struct fleet *fleet);
void fleet_rollout_at(const struct fleet *fleet, size_t index, uint64_t now_ms,
                      struct rollout_view *ret_view);
/* By id or by an unambiguous beginning of it. ERR_NOT_FOUND, or ERR_INVALID naming two candidates.
 */
MUST_CHECK bool fleet_rollout_find(const struct fleet *fleet, const char *id, uint64_t now_ms,
                                   struct rollout_view *ret_view, struct error *err);

/* ---- shards, by name ---- */
enum shard_presence { SHARD_ONLINE, SHARD_OFFLINE };
struct shard_view {
    const char *name;
    const struct labels *labels;
    enum shard_presence presence;
    bool tenants_known; /* a full report has come since this coordinator leads */
    bool leaving;       /* its agent is about to stop: it finishes what runs */
    const char *agent, *agent_version, *peer, *trouble; /* "" where none */
    uint32_t workers, workers_now, tasks_in_flight, standbys;
    const char *workers_reason; /* why fewer work now than there are; "" where all do */
    const char *standby_agents[STANDBYS_PER_SHARD_MAX + 1]; /* `standbys` of them, in their order */
    uint64_t tenant_count;
    int64_t since_ms;
};
size_t fleet_shard_count(const struct fleet *fleet);
void fleet_shard_at(const struct fleet *fleet, size_t index, struct shard_view *ret_view);

/* ---- tenants: every known one, shard by shard, by name within a shard ---- */
struct tenant_view {
    const char *shard;
    const struct labels *shard_labels;
    const struct tenant_info *info;
    const char *locked_by; /* "" for nobody; else "rollout ID" or the holder's name */
};
/* Calls `visit` until it returns false. `selector` NULL: all. */
void fleet_visit_tenants(const struct fleet *fleet, const struct selector *selector,
                         bool (*visit)(void *user, const struct tenant_view *tenant), void *user);

/* ---- sets ---- */
size_t fleet_set_count(const struct fleet *fleet);
/* The newest published of each name, by name. */
void fleet_set_at(const struct fleet *fleet, size_t index, const struct set_head **ret_head,
                  const struct set **ret_set);
/* `digest` "" for the newest. NULL if not known (or an old digest no rollout uses any more). */
const struct set *fleet_set_find(const struct fleet *fleet, const char *name, const char *digest);
const struct set_head *fleet_set_head(const struct fleet *fleet, const char *name);

/* ---- locks and audit ---- */
/* Calls `visit` for each lock, by tenant. */
void fleet_visit_locks(const struct fleet *fleet,
                       void (*visit)(void *user, const struct lock_record *lock), void *user);
/* Newest first, at most EVENTS_KEPT_MAX. */
size_t fleet_event_count(const struct fleet *fleet);
const struct audit_event *fleet_event_at(const struct fleet *fleet, size_t index);

/* ---- numbers for metrics ---- */
struct fleet_numbers {
    uint64_t sessions, standbys, shards, tenants, locks_rollout, locks_operator;
    uint64_t rollouts[ROLLOUT_PHASE_COUNT];
    uint64_t tasks_in_flight[TASK_MODE_COUNT];
    uint64_t task_results[TASK_MODE_COUNT][TASK_OUTCOME_COUNT]; /* since this leadership began */
};
void fleet_numbers(const struct fleet *fleet, struct fleet_numbers *ret_numbers);

#endif
