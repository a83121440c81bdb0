/* lock_plan.h - which relations that were there before a plan locks, and how, as lint foresees it.
 *
 * Pure. What lint found out once per set is put together for one plan. */
#ifndef SKEIN_AGENT_CHECK_LOCK_PLAN_H
#define SKEIN_AGENT_CHECK_LOCK_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/check/prepared_set.h"
#include "common/core/arena.h"
#include "common/model/plan.h"

/* Borrows the set's texts; the array is in the arena. */
struct lock_plan {
    struct lint_lock *locks; /* each relation once, with its strongest lock; "schema.name", or
                                "name" in the tenant's own schema */
    size_t count;
    bool all; /* it may be any: there is something that lint cannot see into */
};

/* Of the plan's migrations and hooks, and of all repeatable scripts where it looks at them. */
struct lock_plan lock_plan_make(const struct prepared_set *set, const struct plan *plan,
                                struct arena *arena);

#endif
