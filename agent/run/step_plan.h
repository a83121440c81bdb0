/* step_plan.h - a plan cut into steps: what shares one transaction, and what needs a runner.
 *
 * Pure. All in the arena; the set is borrowed. */
#ifndef SKEIN_AGENT_RUN_STEP_PLAN_H
#define SKEIN_AGENT_RUN_STEP_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/check/prepared_set.h"
#include "common/core/arena.h"
#include "common/model/plan.h"

/* One operation that is still to be done. */
struct step_operation {
    const struct migration *migration;
    const struct prepared_operation *prepared;
    bool last;            /* with it its migration is complete */
    bool started;         /* an earlier try has begun it */
    const char *position; /* what that has stored; "" for nothing */
};

enum step_kind {
    STEP_TRANSACTION, /* a run of transactional SQL, perhaps of several migrations */
    STEP_RUNNER,      /* one operation of any other kind */
};

struct step {
    enum step_kind kind;
    size_t first; /* index of its first operation */
    size_t count;
};

struct step_plan {
    struct step_operation *operations;
    size_t operation_count;
    struct step *steps;
    size_t step_count;
};

/* What the journal knows of an operation that has begun: rows of skein.operation. */
struct step_known {
    const char *script;
    const char *operation; /* its stem */
    bool done;
    bool down;            /* it is being undone */
    const char *position; /* "" for none, as in the next line */
    const char *undone;
    const char *rollout; /* in which it was begun */
};

/* It is of a hook, whose rows stand among those of the migration beside it. */
bool step_known_is_hook(const struct step_known *known);

/* From where a walk makes its steps. */
struct step_start {
    const struct step_known *known; /* the journal's rows of the set's operations */
    size_t known_count;
    const char *rollout;
    const char *target;
    bool begun; /* this rollout has taken the tenant further already */
};

/* Whether the plan, hooks of the tenant included, is nothing but transactional SQL: one transaction
 * does it all, and none of what follows is needed. */
bool step_plan_is_simple(const struct prepared_set *set, const struct plan *plan);

/* Whether the rollbacks of its migrations are, too. */
bool step_plan_goes_back(const struct prepared_set *set, const struct plan *plan);

/* The row of an operation, or NULL. */
const struct step_known *step_plan_find(const struct step_known *known, size_t count,
                                        const char *script, const char *operation);

/* What is known to be done is left out. A migration that is half done ends in a step of its own: if
 * that fails, nothing of the migrations behind it has to do with it.
 *
 * Hooks of the tenant are operations of the plan's first and last migration: the version is moved
 * only when the last of them is done, and what a try has done of them is in the journal's rows. A
 * plan without a migration (the version moves, or repeatable scripts run) has one for them that has
 * no name. `before_tenant` is left out if it was done in this rollout. */
void step_plan_make(struct arena *arena, const struct prepared_set *set, const struct plan *plan,
                    const struct step_start *start, struct step_plan *ret_plan);

#endif
