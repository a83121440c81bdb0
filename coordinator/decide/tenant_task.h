/* tenant_task.h - one tenant's part of one rollout: its state, its queue, its place in the counts.
 *
 * Pure. Tasks live in their rollout's arena and are few dozen bytes, since a rollout may have a
 * million of them; nothing ever walks all of them but an operator's verb. */
#ifndef SKEIN_COORDINATOR_DECIDE_TENANT_TASK_H
#define SKEIN_COORDINATOR_DECIDE_TENANT_TASK_H

#include "common/core/fsm.h"
#include "coordinator/decide/fleet_state.h"

struct dry_class;
struct part;
struct tenant;

enum tenant_task_state {
    TENANT_TASK_QUEUED,  /* for its dry run; or for its run, without one (a second try, baseline) */
    TENANT_TASK_PASSED,  /* its dry run; queued for its run */
    TENANT_TASK_LOCKING, /* its lock is being written */
    TENANT_TASK_RUNNING, /* the agent has it */
    TENANT_TASK_UNKNOWN, /* the agent had it: what became of it is being looked up */
    TENANT_TASK_MIGRATED,
    TENANT_TASK_SKIPPED,
    TENANT_TASK_FAILED,
    TENANT_TASK_ROLLED_BACK,
    TENANT_TASK_STATE_COUNT,
};

enum tenant_task_event {
    TENANT_TASK_ON_TAKE,    /* its lock is written next */
    TENANT_TASK_ON_SENT,    /* the lock is durable, the task sent */
    TENANT_TASK_ON_ADOPTED, /* an agent works on it since before this leadership */
    TENANT_TASK_ON_PASS,    /* the dry run */
    TENANT_TASK_ON_SUCCEED, /* by its result, or by the tenant's journal */
    TENANT_TASK_ON_SKIP,
    TENANT_TASK_ON_FAIL,
    TENANT_TASK_ON_AGAIN, /* queue it again */
    TENANT_TASK_ON_LOSE,  /* look up what became of it */
    TENANT_TASK_ON_UNDO,  /* it is back where it was, by its result or by the tenant's journal */
    TENANT_TASK_EVENT_COUNT,
};

/* Where a task waits; a part has one list of each. */
enum tenant_task_list {
    TENANT_TASK_LIST_NONE,
    TENANT_TASK_LIST_DRY,
    TENANT_TASK_LIST_RUN,
    TENANT_TASK_LIST_SETTLE,
    TENANT_TASK_LIST_REFERENCE, /* the set's reference tenant, in either mode */
    TENANT_TASK_LIST_CLASS,     /* another of its class is dry-run: dry_class.h */
    TENANT_TASK_LIST_LATER,     /* until due_ms */
    TENANT_TASK_LIST_UNKNOWN,   /* until the refresh in due_ms is answered */
    TENANT_TASK_LIST_COUNT,
};

/* What becomes of a task when it is settled and nothing has happened to its tenant. */
enum tenant_task_end {
    TENANT_TASK_END_NONE, /* it is not being settled */
    TENANT_TASK_END_SKIP, /* with skip_code */
    TENANT_TASK_END_FAIL, /* with the error in `last` */
};

struct tenant_task {
    struct part *part;
    struct tenant *tenant;
    struct tenant_task *next_of_tenant;
    struct tenant_task *prev, *next; /* in its list */
    struct failure_record *last;     /* of a try that is repeated: one block, owned */
    uint64_t token;                  /* of the newest lock whose task was sent; 0: none */
    uint64_t due_ms;                 /* LATER: when; UNKNOWN: the refresh that tells */
    uint64_t held_since_ms;          /* found its tenant locked; 0: did not */
    uint64_t ticket;                 /* LOCKING: of the window it waits in */
    uint64_t stamp;                  /* of the tenant's schema at its dry run; 0: not known */
    struct dry_class *dry_class;     /* once it is known; its rollout's */
    uint8_t state;                   /* enum tenant_task_state */
    uint8_t mode;                    /* enum task_mode */
    uint8_t list;                    /* enum tenant_task_list */
    uint8_t skip_code;               /* SKIPPED: enum task_code */
    uint8_t tries;                   /* that ended without an outcome */
    uint8_t stale_tries;             /* the schema had changed since the dry run */
    bool passed;                     /* counted in dry_run_passed */
    bool measured;                   /* counted among the rollout's measures */
    bool looked_up;                  /* a surprising answer was looked up once */
    uint8_t end;                     /* enum tenant_task_end: what settling it comes to */
    /* An earlier try may still commit: its agent or its database was lost, and no later token has
     * been written to the journal since. Such a task is settled before it ends. */
    bool unfenced;
    bool fenced;     /* refused by a fence once */
    bool any_result; /* planned after a restart, not sent since: an old answer may still come */
};

extern const struct fsm tenant_task_fsm;

/* A new task is QUEUED in this mode and counted. */
struct tenant_task *tenant_task_add(struct step *step, struct part *part, struct tenant *tenant,
                                    enum task_mode mode);
/* The only place that sets state, mode and list. `due` goes to due_ms. False if the event means
 * nothing in this state: nothing has changed then. */
bool tenant_task_step(struct step *step, struct tenant_task *task, enum tenant_task_event on,
                      enum task_mode mode, uint64_t due);
/* Moves a task that waits to LATER. */
void tenant_task_postpone(struct step *step, struct tenant_task *task, uint64_t due_ms);
/* A task that waits belongs to another list now. */
void tenant_task_requeue(struct step *step, struct tenant_task *task);
/* Its time has come: from LATER to where it belongs. */
void tenant_task_wake(struct tenant_task *task);
bool tenant_task_is_final(const struct tenant_task *task);
/* The tenant's task in this rollout, or NULL. */
struct tenant_task *tenant_task_find(const struct tenant *tenant, const struct rollout *rollout);
/* Before the rollout's tasks are freed: leaves the tenant's list. */
void tenant_task_detach(struct tenant_task *task);

#endif
