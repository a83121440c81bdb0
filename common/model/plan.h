/* plan.h - from where to where a tenant goes, and by which scripts.
 *
 * Pure. The rules of a linear history: every migration with from < version <= to, in order, each
 * once; afterwards the version is `to`, also where no script carries it. A tenant that is, or
 * arrives, at the latest version then gets the repeatable scripts that have changed. */
#ifndef SKEIN_COMMON_MODEL_PLAN_H
#define SKEIN_COMMON_MODEL_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/set.h"
#include "common/model/task.h"

/* A plan borrows the set. Its migrations are one run of the set's array. */
struct plan {
    enum task_code code; /* TASK_CODE_NONE: there is something to do; TASK_CODE_UP_TO_DATE: not;
                            else why this tenant cannot go there */
    size_t first;        /* index of the first migration */
    size_t count;        /* 0 with TASK_CODE_NONE: the version moves, or repeatable scripts only */
    bool repeatables;    /* those of the set are to be looked at: some of them have to run */
    struct error error;  /* one sentence for code, when it is an error */
};

/* Where a tenant is. */
struct plan_start {
    const char *from;     /* its version; "" for none */
    bool has_objects;     /* it holds something; without a version it is UNMANAGED then */
    const char *baseline; /* what an unmanaged tenant is recorded at first; "": it is refused */
    uint64_t repeatables; /* the digest of the repeatable scripts that it has; 0 for none */
};

/* `to` must be a valid version (see plan_check_target). */
void plan_make(const struct set *set, const struct plan_start *start, const char *to,
               struct plan *ret_plan);

/* Whether the repeatable scripts belong to a tenant at this version: the set has some, and it is
 * the latest. (They are written for that one; below it they may name what is not there yet.) */
bool plan_takes_repeatables(const struct set *set, const char *version);

/* Whether anybody may go to this version: not above the latest, not below the minimum, a prerelease
 * only where the set allows it. "" is the latest; the text to use is given back, borrowed. */
MUST_CHECK bool plan_check_target(const struct set *set, const char *target,
                                  const char **ret_target, struct error *err);

/* Whether tenants without a version may be recorded at `baseline` on their way to `target`, a
 * version that plan_check_target has passed: a version of the set that a tenant can start from, and
 * not above the target. */
MUST_CHECK bool plan_check_baseline(const struct set *set, const char *baseline, const char *target,
                                    struct error *err);

#endif
