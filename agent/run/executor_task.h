/* executor_task.h - a task on its way through the agent: queued, tried, resting, answered.
 *
 * Made by the brain; from submit on the executor's, one thread at a time: whoever has its turn. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_TASK_H
#define SKEIN_AGENT_RUN_EXECUTOR_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/check/prepared_set.h"
#include "agent/decide/patience.h"
#include "agent/run/executor_options.h"
#include "common/core/arena.h"
#include "common/model/message.h"

struct executor_task {
    struct arena arena; /* owns the texts below; the executor owns the task after submit */
    const char *rollout;
    enum task_mode mode;
    const char *tenant;
    const char *from; /* "" for none */
    const char *target;
    const char *baseline; /* an unmanaged tenant's: recorded first; "" for none */
    uint64_t repeatables; /* digest of what the tenant has, as the plan knows it */
    uint64_t token;
    uint64_t lock_timeout_ms;      /* of this try */
    uint64_t lock_timeout_full_ms; /* as it was asked for */
    uint64_t lock_budget_ms;       /* how long it may be in others' way; 0: the agent's own */
    bool rehearse_rollback;        /* a dry run goes up, down and up again */
    uint64_t size_limit_bytes;     /* of a dry run, see rollout_spec; 0: the agent's own */
    bool allow_large;
    enum dry_run_step dry_run_step;
    uint64_t stamp;           /* RUN: of the schema at the dry run; 0: it is not compared */
    const char *source;       /* CREATE: the tenant that is copied; "" for none */
    const char *from_ledger;  /* of a baseline: whose table tells the version; "": `target` is it */
    enum rollout_kind kind;   /* what the rollout is about: a SETTLE of it, too */
    struct labels labels;     /* CREATE: of the new tenant's own */
    bool force;               /* DROP: whoever is connected to it is sent away */
    bool staged;              /* CREATE: in what is there already, and empty (task_make) */
    struct prepared_set *set; /* one reference, released with the task */
    uint64_t patience_ms;     /* how long it is tried again; 0: not at all */
    /* Of one that was tried and did not get through (executor_rest). */
    struct patience patience;
    uint32_t yields;       /* tries of a dry run that were stopped for what they held themselves */
    const char *waits_for; /* NULL: it was not tried yet */
    const char *blocker;   /* whose transaction it waits for (watch_look.h); NULL, "": not known */
    uint64_t gives_up_ms;  /* then it is tried for the last time */
    struct task_result *last;
    /* Of a dry run that rests until somebody has tried the same on an empty copy (copy_first): what
     * it waits for (copy_table), "" for a time only. NULL: it does not. */
    const char *awaits_copy;
    uint32_t copy_tries; /* in which somebody held a table that was to be copied */
};

/* Copies the texts, takes a reference to the set. */
struct executor_task *executor_task_new(const struct task_assignment *assignment,
                                        const struct task_item *item, struct prepared_set *set);
/* Frees the task, its arena and its reference. The struct itself is from memory_alloc. */
void executor_task_free(struct executor_task **task);

/* How long a statement of the task may take where its script says nothing; 0: there is no limit. */
uint64_t executor_task_statement_ms(const struct executor_task *task,
                                    const struct executor_options *options);

#endif
