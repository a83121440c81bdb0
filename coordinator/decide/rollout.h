/* rollout.h - a rollout: its phase, its parts on shards, its numbers.
 *
 * Pure. An unfinished rollout is open: it has parts and tasks. What has ended keeps its spec, its
 * numbers and its failures. (A rollout whose dry run failed stays open until another one of its set
 * starts, so that a retry repeats only what failed.) */
#ifndef SKEIN_COORDINATOR_DECIDE_ROLLOUT_H
#define SKEIN_COORDINATOR_DECIDE_ROLLOUT_H

#include "common/core/fsm.h"
#include "common/model/plan.h"
#include "common/model/selector.h"
#include "common/model/semver.h"
#include "coordinator/decide/failure_list.h"
#include "coordinator/decide/fleet_state.h"
#include "coordinator/decide/measures.h"
#include "coordinator/decide/rate.h"

struct dry_class;
struct part;
struct tenant;
struct tenant_task;

enum rollout_event {
    ROLLOUT_ON_SHARDS_KNOWN, /* every shard that it may reach has answered */
    ROLLOUT_ON_TASKS_DONE,   /* nothing is left to do in this phase */
    ROLLOUT_ON_OVER_BUDGET,  /* more failures than it bears, and its policy minds */
    ROLLOUT_ON_DRAINED,      /* it was aborted, and the last task has ended */
    ROLLOUT_ON_PAUSE,        /* the operator's buttons */
    ROLLOUT_ON_RESUME,
    ROLLOUT_ON_ABORT,
    ROLLOUT_ON_RETRY,
    ROLLOUT_ON_ROLLBACK,
    ROLLOUT_ON_HOOK_FAILED, /* before_rollout (its dry run, too) or after_rollout */
    ROLLOUT_EVENT_COUNT,
};

struct plan_cache {
    bool valid;
    bool has_objects;
    uint64_t repeatables;
    char from[SEMVER_BYTES_MAX + 1];
    struct plan plan;
};

/* The hook that was asked for last: rollout_hook.h. */
struct hook_call {
    uint64_t number; /* of the call; 0: none is under way */
    enum set_hook hook;
    bool rehearses; /* its dry run */
    bool rehearsed; /* that has passed */
    bool failed;    /* and nobody has dealt with it yet */
    bool reachable; /* an agent works next to the control database */
    uint64_t sent_ms;
    char trouble[TEXT_BYTES_MAX]; /* why there is no answer yet, or how it has failed */
};

struct rollout {
    struct arena arena; /* of the spec */
    struct rollout_spec spec;
    struct rollout_state state; /* its texts are `reason` and `changed_by` */
    char *reason, *changed_by, *first_script;
    uint64_t number; /* of its start: younger rollouts have higher ones */

    /* What may be told of the phase: as it was, until the new one is durable. */
    struct told_phase told;
    size_t untold; /* changes of it that are not stored yet */

    /* Names owned; always adds up to state.counts. Those of parts come first, in their order. */
    struct shard_progress *progress;
    size_t progress_count, progress_capacity;
    struct failure_list failures;
    struct failure_list warnings;
    struct measures measures; /* of its dry runs */
    size_t warnings_stored;   /* of them: the store has them, too */
    uint32_t warning_number;  /* of the newest that is stored */
    uint64_t change;

    /* While it is open: */
    bool open_now;
    struct selector *selector;
    const struct set *set;
    uint64_t repeatables; /* the digest that its tenants have at the end; 0: it runs none */
    struct arena tasks;
    struct part **parts;
    size_t part_count, part_capacity;
    size_t parts_busy;
    size_t unplanned;        /* parts whose tenants are not known yet */
    size_t open[2];          /* tasks without a final state: 0 before the barrier (dry runs, what is
                                being settled), 1 the rest */
    size_t in_flight;        /* tasks with a lock */
    size_t lock_count;       /* locks, those included whose task is not planned yet */
    bool aborting;           /* durable as state.resume_phase ROLLOUT_ABORTED */
    bool ran;                /* tenants may have been changed */
    bool first_script_news;  /* not in the store yet */
    size_t first_index;      /* of first_script in the set; SIZE_MAX: none */
    bool loaded;             /* it is older than this leadership */
    uint64_t started_token;  /* all its locks' tokens are greater; 0: not known */
    uint64_t failures_borne; /* known when it was resumed: they do not count again */
    size_t cursor;           /* the part that gets the next window */
    size_t look_cursor;      /* the part whose last look was not answered when last asked */
    bool looks_asked;        /* every part was asked for its last look */
    struct tenant_task *reference; /* of its set, if it selects that tenant */
    bool reference_held;           /* others wait for its dry run */
    struct hook_call hook;
    struct rate rate;
    struct plan_cache plan_cache;
    struct dry_class *dry_classes; /* dry_class.h */
    size_t dry_held; /* tasks that wait for one of their class which has failed: nobody goes on */

    bool progress_dirty, state_dirty;
    uint64_t progress_due_ms, state_due_ms;
    UT_hash_handle hh;
};

struct rollout_edge {
    struct fsm_edge edge;
    bool (*when)(const struct rollout *rollout); /* NULL: always */
};

extern const struct fsm rollout_fsm;
/* Rows say they are guarded exactly where they have a guard. */
MUST_CHECK bool rollout_check_edges(struct error *err);
/* NULL if the event means nothing now. */
const struct rollout_edge *rollout_find_edge(const struct rollout *rollout, enum rollout_event on);

struct rollout *rollout_find(const struct fleet *fleet, const char *id);
/* Copies the spec; the newest rollout of the fleet. `set` may be NULL when it has ended. */
struct rollout *rollout_add(struct step *step, const struct rollout_spec *spec);
void rollout_remove(struct fleet *fleet, struct rollout *rollout);
void rollout_release(struct fleet *fleet);

/* Has not ended: others of its set must keep away from its tenants. */
bool rollout_is_active(const struct rollout *rollout);
/* Its tenants are tried before one is changed: so for migrations alone, if they did not renounce
 * it, and for every rollback. */
bool rollout_has_dry_run(const struct rollout *rollout);
/* Hands out tasks of this list now. */
bool rollout_serves(const struct rollout *rollout, enum task_mode mode);
bool rollout_has_tasks_left(const struct rollout *rollout);

/* Finds its selector and set and adds a part for each shard that it may reach. ERR_REFUSED when the
 * set is not there any more. */
MUST_CHECK bool rollout_open(struct step *step, struct rollout *rollout, bool fresh,
                             struct error *err);
void rollout_close(struct step *step, struct rollout *rollout);
/* The shard is forgotten: its tasks are final, its numbers stay. */
void rollout_remove_part(struct step *step, struct rollout *rollout, struct part *part);
size_t rollout_progress_index(struct rollout *rollout, const char *shard);

/* The only place that sets the phase: writes the state before anything that follows from it. False
 * if the event means nothing now. */
bool rollout_step(struct step *step, struct rollout *rollout, enum rollout_event on,
                  const char *actor, const char *reason);
/* A change of its phase is durable: it may be told. */
void rollout_on_stored(struct step *step, const struct waiting *waiting);
struct told_phase rollout_told_phase(const struct rollout *rollout);
/* Raises what follows from its numbers; call after anything that changed them. */
void rollout_check(struct step *step, struct rollout *rollout);
/* Something is still to be learned of what it did there. */
bool rollout_asks(const struct part *part);
/* Nothing of it is under way any more, as far as can be learned. */
bool rollout_is_drained(const struct rollout *rollout);
/* From now on nothing more is handed out, and what waits is skipped. */
void rollout_begin_abort(struct step *step, struct rollout *rollout);
/* Queues what failed again. */
void rollout_requeue_failed(struct step *step, struct rollout *rollout);

/* ---- what happens elsewhere ---- */
void rollout_on_shard(struct step *step, struct shard *shard); /* it may be a new one */
void rollout_on_tenant(struct step *step, struct tenant *tenant);
/* Its journal has lost commits. */
void rollout_on_tenant_back(struct step *step, struct tenant *tenant);
void rollout_on_tenant_gone(struct step *step, struct tenant *tenant);
void rollout_on_report(struct step *step, struct shard *shard);
void rollout_on_tick(struct step *step, struct rollout *rollout);
/* Checks all that have a part there. */
void rollout_check_shard(struct step *step, struct shard *shard);
/* What is shown of rollouts on this shard may have changed. */
void rollout_touch_shard(struct shard *shard);

/* ---- warnings: the first WARNINGS_STORED_MAX of them are durable ---- */
void rollout_warn(struct step *step, struct rollout *rollout, const struct task_error *warning);
void rollout_warn_load(struct rollout *rollout, const struct loaded_warning *warning);
/* Those of one code; of every code with TASK_CODE_NONE. */
void rollout_warn_forget(struct step *step, struct rollout *rollout, enum task_code code);

void rollout_put_state(struct step *step, struct rollout *rollout);
/* Writes progress and state now. */
void rollout_persist(struct step *step, struct rollout *rollout);
/* Writes of both what is due since `patience_ms`: at once beside other writes, which cost no
 * further transaction then; on a tick only when nothing else has been written for a while. */
void rollout_persist_due(struct step *step, struct rollout *rollout, uint64_t patience_ms);

#endif
