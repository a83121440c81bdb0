/* part.h - one rollout on one shard: which tenants, planned how, waiting where.
 *
 * Pure. A part is planned when the shard's tenants are known; from then on each report is compared
 * with it, so that new tenants are taken along. */
#ifndef SKEIN_COORDINATOR_DECIDE_PART_H
#define SKEIN_COORDINATOR_DECIDE_PART_H

#include "coordinator/decide/tenant_task.h"

struct tenant_task_queue {
    struct tenant_task *head;
    size_t count;
    uint64_t due_ms; /* LATER: the earliest of all */
};

struct part {
    struct rollout *rollout;
    struct shard *shard;
    struct part *next_of_shard;
    size_t progress;    /* index in rollout->progress */
    bool planned;       /* every known tenant was looked at */
    uint64_t refresh;   /* planned when this refresh is answered; 0: by any full report */
    uint64_t last_look; /* the refresh that is asked for when all is done; 0: not yet */
    size_t open;        /* tasks without a final state */
    size_t in_flight;
    bool busy;             /* has tasks in flight or ready */
    bool dirty;            /* its counts changed since they were written */
    uint64_t total_stored; /* how many tenants it had when its counts were written */
    struct tenant_task_queue queues[TENANT_TASK_LIST_COUNT];
};

/* Adds the shard to the rollout. With `fresh` it is planned by what a new refresh reports. */
struct part *part_add(struct step *step, struct rollout *rollout, struct shard *shard, bool fresh);
struct part *part_find(const struct shard *shard, const struct rollout *rollout);
/* Frees it and detaches its tasks, which live in the rollout's arena. */
void part_free(struct part *part);
struct rollout_counts *part_counts(const struct part *part);

/* Looks at every known tenant. */
void part_plan(struct step *step, struct part *part);
/* Looks at one tenant that a report named. */
void part_see(struct step *step, struct part *part, struct tenant *tenant);
/* A tenant is gone: what has not started is skipped. */
void part_unsee(struct step *step, struct tenant_task *task);
/* A report has ended: plans, and resolves what was looked up. */
void part_on_report(struct step *step, struct part *part);
/* Wakes the tasks of LATER whose time has come. */
void part_wake(struct step *step, struct part *part);

/* ---- what becomes of a task; each keeps the records in the store right ---- */
void part_succeed(struct step *step, struct tenant_task *task);
void part_skip(struct step *step, struct tenant_task *task, enum task_code code);
/* Somebody wants its tenant, and an earlier try may still be at work: it is settled before it waits
 * on, also while its rollout is paused. */
void part_settle_waiting(struct step *step, struct tenant_task *task);
/* Skipped, once it is settled. */
void part_give_up(struct step *step, struct tenant_task *task, enum task_code code);
/* Its rollout is being aborted: skipped, once it is settled. */
void part_cancel(struct step *step, struct tenant_task *task);
/* The fence is raised, and the journal knows nothing of this rollout: now it may end. */
void part_settled(struct step *step, struct tenant_task *task);
/* What was to settle it did not: again, after a while. */
void part_settle_again(struct step *step, struct tenant_task *task);
/* Keeps the error of a try that is repeated: it is the one to report if none succeeds. */
void part_keep_error(struct step *step, struct tenant_task *task, const struct task_error *error);
/* Failed, once it is settled. `error->tenant` is filled in here. */
void part_fail(struct step *step, struct tenant_task *task, const struct task_error *error);
/* Queues a failed or skipped task again, by the newest known version of its tenant. */
void part_retry(struct step *step, struct tenant_task *task);
/* A tenant that counts as migrated is looked up, if its journal says that it is not. */
void part_doubt(struct step *step, struct tenant_task *task);
/* Asks the shard what the tenant's journal says now. */
void part_look_up(struct step *step, struct tenant_task *task);
/* "shard/tenant" in the effects' arena. */
const char *part_path(struct step *step, const struct tenant_task *task);
/* How long a task waits before its next try. */
uint64_t part_backoff_ms(const struct tenant_task *task);

#endif
