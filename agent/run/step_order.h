/* step_order.h - one transaction of a walk, and what it says to the journal when it ends.
 *
 * Pure. */
#ifndef SKEIN_AGENT_RUN_STEP_ORDER_H
#define SKEIN_AGENT_RUN_STEP_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "agent/run/step_plan.h"
#include "agent/run/unwind_plan.h"
#include "common/core/arena.h"

struct step_order {
    const struct step_operation *operations; /* in the order in which they run */
    const struct unwind_operation *unwind;   /* instead of them: these are undone, in that order */
    size_t count;
    const char *from; /* the tenant's version before it, "" for none, */
    const char *to;   /* and after it: that of the last migration that is complete then */
    bool opens;       /* begins the transaction, */
    bool closes;      /* and ends it */
    bool down;        /* the operations' rollbacks run; there is one of them */
    bool rehearses;   /* nothing is written, and the end is a ROLLBACK */
    const char *note; /* what the operation, if it is one, has printed, for the history; or NULL */
};

enum { STEP_ORDER_PARAMETERS_MAX = 17 };

/* The call that ends the step's transaction (skein.step_end; skein.step_undone of one that goes
 * down). `ret_parameters` has STEP_ORDER_PARAMETERS_MAX places; the texts are in the arena. */
const char *step_order_end(struct arena *arena, const struct executor_options *options,
                           const struct executor_task *task, const struct step_order *step,
                           const char **ret_parameters, size_t *ret_count);

/* The migrations of the set that the step completes: a run of them. */
void step_order_completes(const struct executor_task *task, const struct step_order *step,
                          size_t *ret_first, size_t *ret_count);

/* The version after these operations: that of the last migration that they complete, the task's
 * target where that is the plan's last, `from` where there is none. */
const char *step_order_version(const struct executor_task *task, const struct step_plan *plan,
                               const struct step *step, const char *from);

#endif
