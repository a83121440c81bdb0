/* unwind_plan.h - what a rollout did to a tenant, cut into the steps that undo it.
 *
 * Pure. All in the arena; the set is borrowed. */
#ifndef SKEIN_AGENT_RUN_UNWIND_PLAN_H
#define SKEIN_AGENT_RUN_UNWIND_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/check/prepared_set.h"
#include "agent/run/step_plan.h"
#include "common/core/arena.h"

/* What the tenant's journal says. */
struct unwind_start {
    const char *version;      /* the tenant's */
    const char *target;       /* the one to go back to */
    const size_t *migrations; /* that were complete once: indexes in the set, newest first */
    size_t count;
    bool has_half; /* `half` was never complete: it goes first */
    size_t half;
    const struct step_known *known; /* operations of half done migrations that are still there */
    size_t known_count;
};

/* One operation to be undone. */
struct unwind_operation {
    const struct migration *migration;
    const struct prepared_operation *prepared;
    bool opens;       /* the first of a complete migration, which is half done from then on: */
    const char *from; /* the tenant's version before that, */
    const char *to;   /* and after it, until all of the migration is undone */
    bool nothing;     /* it was begun, but has done nothing */
};

struct unwind_plan {
    struct unwind_operation *operations;
    size_t operation_count;
    struct step *steps;
    size_t step_count;
};

/* Newest migration first, last operation first. A migration that has rows in the journal is half
 * undone already: what has none is not there any more. */
void unwind_plan_make(struct arena *arena, const struct prepared_set *set,
                      const struct unwind_start *start, struct unwind_plan *ret_plan);

/* One transaction does it all, where nothing is half done. */
bool unwind_plan_is_simple(const struct unwind_start *start, const struct unwind_plan *plan);

#endif
