/* task_try.h - a task while a worker has it: what its tries have in common, and what they do when
 * the database is away or an answer is lost.
 *
 * Used by the worker's thread alone. */
#ifndef SKEIN_AGENT_RUN_TASK_TRY_H
#define SKEIN_AGENT_RUN_TASK_TRY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/run/copy_first.h"
#include "agent/run/measure_log.h"
#include "agent/run/task_batch.h"
#include "agent/run/task_run.h"
#include "agent/run/task_sizes.h"
#include "agent/run/task_undo.h"
#include "agent/run/walk.h"
#include "common/model/plan.h"

struct task_try {
    struct task_context *context;
    struct executor_task *task;
    struct task_result *result;
    struct task_order order;
    struct plan plan;
    struct measure_log log;  /* of a dry run */
    struct task_sizes sizes; /* the same */
    struct copy_first copy;  /* the same */
    struct task_undo undo;   /* of a rollback, once it is read */
    bool uncertain;          /* an earlier try may have committed */
    uint32_t attempts;       /* that ended by an accident */
    uint64_t outage_ends_ms; /* 0: the database is there */
    uint64_t full_ends_ms;   /* 0: the database has connections to spare */
    uint64_t settle_ends_ms; /* 0: nothing to settle */
    uint64_t backoff_ms;
    bool walks; /* the plan is more than one transaction */
    struct walk walk;
};

bool task_try_is_cancelled(const struct task_try *t);

/* The result is a failure. Where an earlier try may have committed it says so instead: that nothing
 * happened must not be said then. */
void task_try_fail(struct task_try *t, enum task_code code, const char *words);

/* Waits before the next try; the first wait of a kind sets *ends_ms. False: the time is over, or
 * the task was cancelled. */
bool task_try_wait(struct task_try *t, uint64_t *ends_ms, uint64_t most_ms);

/* A connection, through an outage of bounded length. False: the result says why not. */
MUST_CHECK bool task_try_connect(struct task_try *t);

/* After an accident: whether to try once more. False: the result says what it came to. */
MUST_CHECK bool task_try_again(struct task_try *t, const struct task_outcome_report *report);

#endif
